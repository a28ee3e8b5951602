import Testing
@testable import SIPWire
@Test func empty() { }
