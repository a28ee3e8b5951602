import Glibc
import SimulatedNetwork

// Long runs through the simulated network. `--scenario basic-call --seed 7 --calls 100000` repeats what a table or a failure
// named; without options, ten seeds of basic calls, the other flows, and worse networks.

guard let options = SoakOptions(Array(CommandLine.arguments.dropFirst())) else {
    print(SoakOptions.usage)
    exit(64)
}
let plans = options.plans(scenarios: lossScenarios.map(\.name))
var soak = Soak()
var wrong = 0
Soak.printHead()
for plan in plans where !(try soak.execute(plan)) { wrong += 1 }
if wrong > 0 {
    print("\n\(wrong) of \(plans.count) runs are wrong")
    exit(1)
}
