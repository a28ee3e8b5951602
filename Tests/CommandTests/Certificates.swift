import Foundation
import Testing

/// Certificates that the openssl command makes, once, in a folder of their own.
enum Certificates {
    static let folder: Result<URL, any Error> = Result {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("carillon-certificates-\(getpid())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = ["-euc", script]
        process.currentDirectoryURL = folder
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Command.Trouble(description: "openssl made no certificates")
        }
        atexit { if let folder = try? Certificates.folder.get() { try? FileManager.default.removeItem(at: folder) } }
        return folder
    }

    static func path(_ name: String) throws -> String { try folder.get().appendingPathComponent(name).path }

    /// Our certificate and its key, as options.
    static func own(_ name: String = "good") throws -> [String] {
        ["--tls-cert", try path("\(name).pem"), "--tls-key", try path("\(name).key")]
    }

    /// Trust in the authority that issued most of them.
    static func trusting(_ name: String = "ca") throws -> [String] { ["--tls-ca", try path("\(name).pem")] }

    private static let script = #"""
        key() { openssl ecparam -name prime256v1 -genkey -noout -out $1.key; }
        authority() { # FILE CN
            key $1
            openssl req -x509 -new -key $1.key -out $1.pem -days 3000 -subj "/CN=$2" \
                -addext basicConstraints=critical,CA:true -addext keyUsage=keyCertSign
        }
        authority ca 'Authority of the tests'
        authority swapped 'Authority of the tests'
        : >index; echo 1000 >serial
        printf '%s\n' '[ca]' 'default_ca=d' '[d]' database=index serial=serial new_certs_dir=. default_md=sha256 policy=p \
            unique_subject=no copy_extensions=none '[p]' commonName=optional >ca.cnf
        issue() { # FILE SAN END AUTHORITY
            key $1
            openssl req -new -key $1.key -out $1.csr -subj "/CN=$1" -config <(printf '[req]\ndistinguished_name=n\n[n]\n')
            printf '[e]\nbasicConstraints=CA:false\nsubjectAltName=%s\n' "$2" >$1.ext
            openssl ca -batch -notext -config ca.cnf -cert $4.pem -keyfile $4.key -in $1.csr -out $1.pem \
                -startdate 20200101000000Z -enddate $3 -extensions e -extfile $1.ext
        }
        issue good IP:127.0.0.1,DNS:sip.example.com 20450101000000Z ca
        issue expired IP:127.0.0.1 20210203040506Z ca
        issue elsewhere DNS:sip.example.org 20450101000000Z ca
        issue oldauthority IP:127.0.0.1 20450101000000Z swapped
        key selfsigned
        openssl req -x509 -new -key selfsigned.key -out selfsigned.pem -days 3000 -subj /CN=selfsigned \
            -addext subjectAltName=IP:127.0.0.1
        """#
}
