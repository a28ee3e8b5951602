import Foundation

@testable import TLSSessions

/// Certificates of every kind that the tests need, made once by the openssl command in a folder of their own.
enum Certificates {
    static let folder: String = {
        let folder = NSTemporaryDirectory() + "carillon-tls-\(getpid())"
        try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let made = Command.run("/bin/bash", ["-euc", script], in: folder)
        guard made.status == 0 else { fatalError("no certificates: \(made.errors)") }
        atexit { try? FileManager.default.removeItem(atPath: Certificates.folder) }
        return folder
    }()

    static func path(_ name: String) -> String { folder + "/" + name }

    /// Trusts the first authority.
    static func client(_ change: (inout TLSSettings) -> Void = { _ in }) -> TLSSettings {
        var settings = TLSSettings()
        settings.authorities = .file(path("ca.pem"))
        settings.keyLog = .off
        change(&settings)
        return settings
    }

    static func server(_ name: String = "good", _ change: (inout TLSSettings) -> Void = { _ in }) -> TLSSettings {
        var settings = client()
        settings.certificateFile = path("\(name).pem")
        settings.keyFile = path("\(name).key")
        change(&settings)
        return settings
    }

    /// `issue NAME SUBJECT-ALT-NAMES CN [START END]`.
    private static let script = #"""
        key() { openssl ecparam -name prime256v1 -genkey -noout -out $1.key 2>/dev/null; }
        authority() { # FILE CN
            key $1
            openssl req -x509 -new -key $1.key -out $1.pem -days 3000 -subj "/O=Carillon tests/CN=$2" \
                -addext basicConstraints=critical,CA:true -addext keyUsage=keyCertSign 2>/dev/null
        }
        authority ca 'First authority'
        authority other 'Second authority'
        authority swapped 'First authority'
        : >index; echo 1000 >serial
        cat >ca.cnf <<END
        [ca]
        default_ca = d
        [d]
        database = index
        serial = serial
        new_certs_dir = .
        default_md = sha256
        policy = p
        unique_subject = no
        copy_extensions = none
        [p]
        commonName = optional
        END
        issue() { # FILE SAN CN START END AUTHORITY EXTRA
            key $1
            openssl req -new -key $1.key -out $1.csr -subj "/CN=$3" -config <(printf '[req]\ndistinguished_name=n\n[n]\n')
            { echo "[e]"; echo "basicConstraints=CA:false"; [ -z "$2" ] || echo "subjectAltName=$2"; printf "%b" "${7:-}"; } >$1.ext
            openssl ca -batch -notext -config ca.cnf -cert ${6:-ca}.pem -keyfile ${6:-ca}.key -in $1.csr -out $1.pem \
                -startdate ${4:-20200101000000Z} -enddate ${5:-20450101000000Z} -extensions e -extfile $1.ext 2>$1.log
        }
        issue good DNS:sip.example.com,IP:127.0.0.1,IP:::1 good
        issue expired DNS:sip.example.com expired 20200101000000Z 20210203040506Z
        issue future DNS:sip.example.com future 20440101000000Z
        issue foreign DNS:sip.example.com foreign '' '' other
        issue swappedleaf DNS:sip.example.com swapped '' '' swapped
        issue wild 'DNS:*.example.com' wild
        issue uri 'URI:sip:uri.example.com;transport=tls,DNS:sip.example.com' uri
        issue user 'URI:sip:alice@sip.example.com,URI:https://sip.example.com' user
        issue userdns 'URI:sip:alice@sip.example.com,DNS:other.example.com' userdns
        issue sipsuri 'URI:sips:sip.example.com,DNS:other.example.com' sipsuri
        issue cn '' sip.example.com
        issue cnsan DNS:other.example.com sip.example.com
        issue clientonly DNS:sip.example.com clientonly '' '' ca 'extendedKeyUsage=clientAuth\n'
        issue user1 '' user1
        key self
        openssl req -x509 -new -key self.key -out self.pem -days 3000 -subj /CN=self -addext subjectAltName=DNS:sip.example.com
        openssl pkey -in good.key -aes128 -passout pass:secret -out locked.key
        cat good.pem good.key >both.pem
        mkdir hashed unhashed; cp ca.pem hashed; cp ca.pem unhashed; openssl rehash hashed
        """#
}

/// A command run to its end.
struct Command {
    var status: Int32
    var output: String
    var errors: String

    static func run(_ path: String, _ arguments: [String], in folder: String? = nil) -> Command {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
        let output = Pipe()
        let errors = Pipe()
        process.standardOutput = output
        process.standardError = errors
        process.standardInput = FileHandle.nullDevice
        do { try process.run() } catch { return Command(status: -1, output: "", errors: "\(error)") }
        let written = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let complained = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return Command(status: process.terminationStatus, output: written, errors: complained)
    }
}
