import ScenarioDSL

/// What ships with Carillon, in the order of `carillon list`. Each lives in a file of its own that runs as it is:
/// `carillon run scenarios/BasicCall.swift`.
public let catalogue: [Scenario] = [
    basicCall,
    lateOffer,
    earlyMedia,
    reinvite,
    cancel,
    noAnswer,
    busy,
    redirectedCall,
    blindTransfer,
    attendedTransfer,
    callPickup,
    conference,
    clickToDial,
    optionsPing,
    instantMessage,
    register,
    authenticatedRegister,
    addBinding,
    removeBinding,
    registeredUser,
    authenticatedCall,
    subscriberCall,
]
