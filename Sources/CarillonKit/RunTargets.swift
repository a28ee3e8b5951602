import CallEngine
import Measurement

extension TargetPlan {
    /// What each address has had, for the report.
    /// - Parameter counts: in the plan's order; empty where there was nothing to choose.
    func records(_ counts: [TargetCounts]) -> [TargetRecord] {
        let hops = targets.flatMap { target in target.hops.map { (target, $0) } }
        return zip(hops, counts).map { hop, counts in
            TargetRecord(
                name: hop.0.name, address: hop.1.address.text, weight: hop.0.weight, priority: hop.1.priority,
                counts: counts)
        }
    }
}
