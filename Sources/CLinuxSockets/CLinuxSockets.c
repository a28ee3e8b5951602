#include "CLinuxSockets.h"
int clx_placeholder(void) { return 0; }
