import CallEngine
import Measurement
import SIPWire

/// When runs are started.
public enum Load: Sendable, Equatable {
    /// By a schedule, whatever becomes of earlier runs. `concurrency` is a cap: an arrival that finds it full is dropped
    /// and counted blocked.
    case open(rate: Double, process: ArrivalProcess, concurrency: Int?)
    /// As many at once as `concurrency` says: a new one starts when one ends. Due time is send time.
    case closed(concurrency: Int)
    /// None: runs are created by what arrives.
    case none
}

/// Everything a run's workers need to know, except the scenario, which their engines bring. Times in nanoseconds.
public struct RunPlan: Sendable {
    public var load: Load
    /// No arrivals after this; nil: by `calls`, or until stopped.
    public var duration: Int64?
    /// No arrivals beyond this many, over all workers.
    public var calls: UInt64?
    public var seed: UInt64 = 0
    public var workers = 1

    /// Where sockets are bound; its port is worker 0's when not 0.
    public var local: TransportAddress
    /// Ports of the workers in order: worker k gets the k-th. Nil: worker 0 has `local`'s, the others any.
    public var ports: ClosedRange<UInt16>?
    /// Where `ports` is nil, ports of the workers in order, as far as they are fixed.
    public var workerPorts: [UInt16] = []
    /// Addresses that runs are sent from; none: all from `local`, which is none in particular where there are some.
    public var sources = SourceAddresses()
    /// Worker 0's port is published: it hands initial requests of other workers' runs to them.
    public var spreadsPublishedPort = false
    public var socket = UDPSocket.Options()
    /// What the workers speak, each at one port for all of them but for TLS beside others, which has the next: with port 5060 it is
    /// 5061. Of several workers those ports follow the last of the others.
    public var transports = Transports.udp
    public var streams = StreamOptions()
    public var wait = WaitPolicy.automatic
    /// Keeps worker k on the k-th CPU of the process.
    public var pinsWorkers = false

    /// An arrival later than this is dropped and counted not started.
    public var catchUpLimit: Int64 = 100_000_000
    /// How long runs in progress may end by themselves once there are no more arrivals; then they are drained.
    public var settleLimit: Int64 = 35_000_000_000
    /// Runs hung up per second over all workers when draining.
    public var drainRate: Double = 1000
    /// How long drained runs may take for their last messages before the workers leave them.
    public var drainLimit: Int64 = 5_000_000_000
    /// How long retransmissions are still answered when all runs have ended.
    public var lingerAfterEnd: Int64 = 0
    /// Stops when nothing has come for so long and no run is in progress, counted from the first datagram. Nil: never.
    public var idleLimit: Int64?
    /// Stops when so many runs have ended, however they began. Nil: never.
    public var endedRuns: UInt64?
    /// Length of a measuring interval.
    public var interval: Int64 = 1_000_000_000

    public init(load: Load, local: TransportAddress) {
        self.load = load
        self.local = local
    }

    /// Workers that are started: never more than may have a run at once.
    public var workersInUse: Int {
        switch load {
        case .closed(let concurrency), .open(_, _, let concurrency?): max(1, min(workers, concurrency))
        case .open, .none: max(1, workers)
        }
    }

    /// The most runs at once of one worker.
    func concurrency(ofWorker index: Int) -> Int {
        switch load {
        case .closed(let concurrency), .open(_, _, let concurrency?):
            concurrency / workersInUse + (index < concurrency % workersInUse ? 1 : 0)
        case .open, .none: .max
        }
    }

    func secureAddress(ofWorker index: Int) -> TransportAddress {
        var address = local
        if let ports {
            address.port = UInt16(clamping: Int(ports.upperBound) + 1 + index)
        } else {
            address.port = local.port == 0 || index > 0 ? 0 : UInt16(clamping: Int(local.port) + 1)
        }
        return address
    }

    func address(ofWorker index: Int) -> TransportAddress {
        var address = local
        if let ports {
            address.port = ports.lowerBound + UInt16(index)
        } else if index < workerPorts.count {
            address.port = workerPorts[index]
        } else if index > 0 {
            address.port = 0
        }
        return address
    }
}
