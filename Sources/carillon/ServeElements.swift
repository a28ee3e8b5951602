import ArgumentParser
import Blaster
import CallEngine
import CarillonKit
import ElementServers
import Glibc
import Measurement
import Reporting
import SIPTransactions
import SIPWire

/// `carillon serve registrar` and `carillon serve proxy`. Their names are the first word after `serve`, where else scenarios stand.
enum ElementCommands {
    static let all: [String: any ParsableCommand.Type] = ["registrar": ServeRegistrar.self, "proxy": ServeProxy.self]

    /// The command that these arguments name, with the arguments that are its own.
    static func find(_ arguments: [String]) -> (command: any ParsableCommand.Type, arguments: [String])? {
        guard arguments.count > 1, arguments[0] == "serve", let command = all[arguments[1]] else { return nil }
        return (command, Array(arguments.dropFirst(2)))
    }
}

struct ServeRegistrar: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "carillon serve registrar",
        abstract: "A small registrar: bindings in memory, for tests and trials.",
        discussion: """
            As RFC 3261 §10.3 has it: several Contacts for an address of record, expiry, removal of all by *, and digest \
            authentication where --password or --credentials is given. It ends with Ctrl-C and says what it has done.

              carillon serve registrar --listen 127.0.0.1:5070 --password secret
              carillon run authenticated-register 127.0.0.1:5070 --concurrency 10 --calls 1000
            """)

    @OptionGroup var element: ElementOptions

    func run() throws { element.carryOut(.registrar) { _ in } }
}

struct ServeProxy: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "carillon serve proxy",
        abstract: "A small proxy with a registrar in it, for tests and trials.",
        discussion: """
            As RFC 3261 §16 has it: stateful, record-routing, forking to all bindings of an address of record. Requests for its own domain \
            go where phones have registered, others to the address in their Request-URI. It looks up no names, and speaks UDP and TCP. It \
            ends with Ctrl-C and says what it has done.

              carillon serve proxy --listen 127.0.0.1:5070
              carillon serve proxy --listen 10.0.0.4 --domain example.com --credentials users.csv
            """)

    @OptionGroup var element: ElementOptions
    @Flag(name: .customLong("no-record-route"), help: "Leaves the requests within dialogs to the parties themselves.")
    var noRecordRoute = false
    @Option(
        name: .customLong("timer-c"),
        help: "How long a call may ring. Default: 181s (RFC 3261 §16.6: more than three minutes).",
        transform: TimeAmount.parseTimer)
    var timerC: TimeAmount?

    func run() throws {
        element.carryOut(.proxy) { settings in
            settings.recordsRoute = !noRecordRoute
            if let timerC { settings.timerC = timerC.milliseconds }
        }
    }
}

/// What both have.
struct ElementOptions: ParsableArguments {
    @Option(
        name: .customLong("listen"),
        help: "Local address and port, for UDP and TCP: 10.0.0.4:5060. Port 5060 unless said, 0 for any.")
    var listen: String
    @Option(
        name: .customLong("domain"),
        help: "A domain to be responsible for; may be repeated. Default: every name that is no address.",
        transform: HostText.parseWithoutPort)
    var domains: [String] = []
    @Option(name: .customLong("password"), help: "Asks for credentials: of any user, with this password.")
    var password: String?
    @Option(
        name: .customLong("credentials"), help: "Asks for credentials: of the users in this file, user;password a line."
    )
    var credentials: String?
    @Option(name: .customLong("realm"), help: "The realm of challenges. Default: the first domain, else the address.")
    var realm: String?
    @Option(
        name: .customLong("challenge"),
        help:
            "What challenges offer: md5, sha-256, or both (RFC 8760), SHA-256 first. Default: md5, which every phone knows.",
        transform: ChallengeChoiceText.parse)
    var challenge: ChallengeKind?
    @Option(
        name: .customLong("nonce-lifetime"),
        help: "How long a nonce holds; then a new challenge says stale. Default: 300s.",
        transform: TimeAmount.parseTimer)
    var nonceLifetime: TimeAmount?
    @Option(
        name: .customLong("min-expires"),
        help: "Registrations for fewer seconds are refused by 423; 0 refuses none.")
    var minExpires: UInt32 = 60
    @Option(name: .customLong("max-expires"), help: "Registrations for more seconds are cut.")
    var maxExpires: UInt32 = 86_400
    @Option(
        name: .customLong("most-transactions"),
        help: "Transactions kept; beyond, the oldest that is answered is forgotten.")
    var mostTransactions = 100_000
    @Option(
        name: .customLong("until-idle"),
        help: "Ends when nothing has come for so long, after the first message.", transform: TimeAmount.parse)
    var untilIdle: TimeAmount?
    @Option(
        name: .customLong("ready-file"),
        help: "Written once it listens, with the address: a script waits for it before it calls.")
    var readyFile: String?

    func validate() throws {
        if password != nil, credentials != nil {
            throw ValidationError("--password and --credentials: one says who may, not both")
        }
        guard maxExpires > 0, maxExpires <= 2_592_000 else {
            throw ValidationError("--max-expires \(maxExpires): from 1 to 2592000 seconds, a month")
        }
        guard minExpires <= 3600 else {
            throw ValidationError("--min-expires \(minExpires): an hour must be granted (RFC 3261 §10.3 step 7)")
        }
        guard minExpires <= maxExpires else {
            throw ValidationError("--min-expires \(minExpires) is more than --max-expires \(maxExpires)")
        }
        guard mostTransactions > 0, mostTransactions <= 10_000_000 else {
            throw ValidationError("--most-transactions \(mostTransactions): from 1 to 10000000")
        }
    }

    func carryOut(_ role: ElementSettings.Role, _ more: (inout ElementSettings) -> Void) -> Never {
        let local = LocalAddress.parse(listen, option: "--listen", defaultPort: 5060)
        if local.ports != nil { stop(.usage, ["--listen \(listen): it has one port"]) }
        if local.address.isUnspecified {
            stop(.usage, ["--listen \(listen): the address stands in Via and Record-Route; give one of this machine's"])
        }
        let users = readCredentials()
        // What an earlier run left there would be taken for this one's.
        if let readyFile { unlink(readyFile) }
        let loop: ElementLoop
        do throws(ElementLoop.Failure) {
            loop = try ElementLoop(listen: local.address) { address in
                var settings = ElementSettings(role: role, address: address)
                settings.domains = domains.map { $0.lowercased() }
                settings.realm = realm ?? domains.first ?? address.hostText
                settings.credentials = users
                settings.leastExpires = minExpires
                settings.mostExpires = maxExpires
                settings.defaultExpires = min(3600, maxExpires)
                settings.mostTransactions = mostTransactions
                if let challenge { settings.challenges = challenge }
                if let nonceLifetime { settings.nonceLifetime = nonceLifetime.milliseconds }
                more(&settings)
                let random = { UInt64.random(in: .min ... .max) }
                return SIPElement(settings, seed: (random(), random(), random(), random(), random()))
            }
        } catch {
            stop(.environment, ["\(error)"])
        }
        let control = RunControl()
        Interrupts.watch(control, tells: false)
        let style = TextStyle.forOutput(1)
        put(lines(head(role, loop.address), style) + "\n")
        if let readyFile,
            let problem = writeFile(Array("\(loop.address.text) UDP and TCP\n".utf8), to: readyFile, replacing: true)
        {
            stop(.environment, ["--ready-file: \(problem)"])
        }
        loop.run(idle: untilIdle?.nanoseconds) { control.isStopRequested }
        put(lines(ElementAccount(loop, role).lines, style))
        var codes: [Measurement.ExitCode] = []
        if control.isStopRequested {
            switch Interrupts.last {
            case SIGTERM: codes.append(.terminated)
            case SIGHUP: codes.append(.hangup)
            default: codes.append(.interrupted)
            }
        }
        if let lost = StandardOutput.problem {
            printError([lost])
            codes.append(.environment)
        }
        Glibc.exit(ExitCode.first(of: codes).rawValue)
    }

    private func head(_ role: ElementSettings.Role, _ address: TransportAddress) -> [(String, String)] {
        let own = domains.isEmpty ? "every name that is no address" : domains.listed
        let asks = password != nil ? "any user, one password" : credentials.map { "the users in \($0)" }
        return [
            (role == .registrar ? "registrar" : "proxy", "responsible for \(own)"),
            ("credentials", asks ?? "asked of nobody"),
            ("listening", "\(address.text) over UDP and TCP"),
            (
                "ends",
                (untilIdle.map {
                    "when nothing has come for \(durationText($0.nanoseconds)), after the first message, or "
                }
                    ?? "") + "with Ctrl-C"
            ),
        ]
    }

    private func lines(_ lines: [(String, String)], _ style: TextStyle) -> String {
        let width = (lines.map(\.0.count).max() ?? 0) + 2
        return lines.map { name, value in
            style.paint(name, .dim) + String(repeating: " ", count: width - name.count) + printable(value) + "\n"
        }.joined()
    }

    private func readCredentials() -> UserCredentials {
        if let password { return .password(password) }
        guard let credentials else { return .open }
        guard let text = try? String(contentsOfText: credentials) else {
            stop(.unusableInput, ["--credentials \(credentials): cannot read it: \(String(cString: strerror(errno)))"])
        }
        var users: [String: String] = [:]
        for (number, line) in text.split(
            omittingEmptySubsequences: false, whereSeparator: { $0 == "\n" || $0 == "\r\n" }
        ).enumerated() {
            if line.isEmpty || number == 0 && line == "user;password" { continue }
            guard let semicolon = line.firstIndex(of: ";"), semicolon != line.startIndex else {
                stop(.unusableInput, ["\(credentials):\(number + 1): error: expected user;password"])
            }
            let user = String(line[..<semicolon])
            guard users.updateValue(String(line[line.index(after: semicolon)...]), forKey: user) == nil else {
                stop(.unusableInput, ["\(credentials):\(number + 1): error: \(user) is there already; name each once"])
            }
        }
        guard !users.isEmpty else { stop(.unusableInput, ["--credentials \(credentials): no user is in it"]) }
        return .users(users)
    }
}

enum ChallengeChoiceText {
    static func parse(_ argument: String) throws -> ChallengeKind {
        guard let kind = ChallengeKind(rawValue: argument.lowercased()) else {
            throw ArgumentProblem("write md5, sha-256 or both")
        }
        return kind
    }
}

/// What an element has done, as it says at its end.
struct ElementAccount {
    private(set) var lines: [(String, String)] = []

    init(_ loop: ElementLoop, _ role: ElementSettings.Role) {
        let counts = loop.counts
        func number(_ value: Int) -> String { grouped(UInt64(value)) }
        let methods = Method.allCases.compactMap { method -> String? in
            let count = counts.requests[Int(method.rawValue)]
            return count > 0 ? "\(method == .other ? "others" : "\(method.token)") \(number(count))" : nil
        }
        let total = counts.requests.reduce(0, +)
        add("requests", number(total) + (methods.isEmpty ? "" : ": " + methods.listed))
        add("responses", Self.classes(counts.responsesSent))
        if role == .proxy {
            add("received", Self.classes(counts.responsesReceived))
            add("forwarded", counted(UInt64(counts.requestsForwarded), "request"))
            add("forks", number(counts.forks))
        }
        let held = loop.bindingCount()
        add(
            "bindings",
            "\(number(counts.bindingsMade)) made, \(number(counts.bindingsRefreshed)) refreshed, "
                + "\(number(counts.bindingsRemoved)) removed; \(number(held.bindings)) held, "
                + "of \(counted(UInt64(held.records), "address", "addresses")) of record")
        if counts.challenges + counts.credentialsRefused > 0 {
            add(
                "challenges",
                "\(number(counts.challenges)), \(number(counts.staleNonces)) of them stale; "
                    + "\(number(counts.credentialsRefused)) credentials refused")
        }
        add(
            "repeated",
            "\(number(counts.retransmissionsReceived)) received again, \(number(counts.retransmissionsSent)) sent again, "
                + "\(number(counts.timedOut)) timed out")
        if counts.malformedRefused > 0 {
            add("malformed", counted(UInt64(counts.malformedRefused), "request") + " refused")
        }
        for (count, words) in [
            (counts.requestsBeyondLimit, "requests refused: no room for another transaction"),
            (counts.transactionsForgotten, "answered transactions forgotten early"),
            (counts.bindingsBeyondLimit, "registrations refused: no room for another binding"),
        ] where count > 0 {
            add("limits", "\(number(count)) \(words)")
        }
        for reason in DropReason.allCases {
            if let count = counts.drops[reason] { add("dropped", "\(number(count)) \(reason.rawValue)") }
        }
    }

    private mutating func add(_ name: String, _ value: String) { lines.append((name, value)) }

    private static func classes(_ counts: [Int]) -> String {
        let found = (1...6).filter { counts[$0] > 0 }.map { "\($0)xx \(grouped(UInt64(counts[$0])))" }
        return found.isEmpty ? "none" : found.listed
    }
}

extension String {
    /// A whole file of text.
    fileprivate init(contentsOfText path: String) throws {
        guard let file = fopen(path, "re") else { throw ArgumentProblem(String(cString: strerror(errno))) }
        defer { fclose(file) }
        var octets: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&block, 1, block.count, file), count > 0 { octets += block[..<count] }
        guard ferror(file) == 0 else { throw ArgumentProblem(String(cString: strerror(errno))) }
        self = String(decoding: octets, as: UTF8.self)
    }
}
