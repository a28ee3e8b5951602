/// Options as SIPp writes them, with one dash and several letters: who types them from habit is told what they are here.
enum SIPpHabits {
    private static let options: [(names: [String], here: String)] = [
        (["-sn"], "a scenario's name, `carillon run basic-call TARGET`; `carillon list` shows the others"),
        (["-sf"], "a scenario's file, `carillon run my-call.swift TARGET`; `carillon new my-call` writes one"),
        (["-r"], "--rate 100/s"), (["-rp"], "the unit of --rate: 100/m, 100/h"), (["-m"], "--calls 1000"),
        (["-l"], "--concurrency 50"), (["-d"], "--hold 3s"),
        (["-i", "-p"], "--local ADDR:PORT (run), --listen ADDR:PORT (serve)"),
        (["-s"], "TARGET as a URI, sip:user@host, or --to sip:user@host"), (["-rsa"], "--proxy HOST"),
        (["-key", "-set"], "--set name=value"), (["-timeout"], "--for 60s"), (["-inf"], "--feed FILE"),
        (["-t"], "--transport udp, tcp or tls, with --connections"),
        (["-trace_msg", "-message_file"], "--trace all"), (["-trace_err", "-error_file", "-trace_stat"], "always on"),
        (["-au", "-ap"], "Credentials(user:, password:) in the scenario"), (["-bg", "-nostdin"], "not needed"),
        (["-aa"], "always on"), (["-tls_cert", "-tls_key", "-tls_ca"], "--tls-cert, --tls-key, --tls-ca"),
        (["-T2", "-max_retrans"], "--t1, --t2, --t4"),
        (["-mp", "-min_rtp_port", "-max_rtp_port"], "--media-ports 20000-29999"),
    ]

    /// A line to be said below a usage error; nil where no argument looks like one of SIPp's.
    static func hint(for arguments: [String]) -> String? {
        let found = arguments.compactMap { argument in
            options.first { $0.names.contains(argument) }.map { (argument, $0.here) }
        }
        guard !found.isEmpty else { return nil }
        return "  of SIPp's options, " + found.prefix(6).map { "\($0.0) is here: \($0.1)" }.joined(separator: "; ")
            + " (docs/coming-from-sipp.md)"
    }
}
