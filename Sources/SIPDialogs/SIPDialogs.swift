// SIPDialogs
