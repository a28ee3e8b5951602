import ScenarioDSL

// Steps that wait for no message, and steps that hold others: silence, signals, repetition, choice.
extension ScenarioCompiler {
    mutating func compileSilence(_ tree: SilenceTree, at: Spot, _ state: inout FlowState, dialog: Int) {
        let number = step(at, "expect nothing")
        let instruction = emit(Instruction(.wait, step: number, a: program.waits.count))
        program.waits.append(
            WaitPlan(
                kind: .silence, firstAlternative: 0, alternativeCount: 0,
                limit: UInt32(clamping: tree.time.nanoseconds / 1_000_000), limitAfterProvisional: 0,
                timeout: instruction + 1, dialog: dialog, awaited: -1, step: number))
        state.messageAtHand = false
    }

    mutating func compileAwaitSignal(
        _ tree: AwaitSignalTree, at: Spot, _ state: inout FlowState, dialog: Int
    ) {
        let number = step(at, "await signal \"\(tree.name)\"")
        let limit = tree.within.map { UInt32(clamping: $0.nanoseconds / 1_000_000) } ?? 32_000
        var plan = WaitPlan(
            kind: .signal, firstAlternative: 0, alternativeCount: 0, limit: limit, limitAfterProvisional: 0,
            timeout: -1, dialog: dialog, awaited: -1, step: number)
        plan.signal = signalIndex(tree.name)
        if tree.within == nil { plan.peerPauses = peerPauses() }
        emit(Instruction(.wait, step: number, a: program.waits.count))
        program.waits.append(plan)
        state.messageAtHand = false
    }

    // MARK: blocks

    mutating func compileRepeat(
        _ tree: RepeatTree, at: Spot, _ state: inout FlowState, dialog: Int, following: [Step]
    ) {
        let number = step(at, tree.count == nil ? "repeat until the end" : "repeat")
        var loop = -1
        var start: Int
        if let count = tree.count {
            loop = layout.loops
            layout.loops += 1
            start = emit(Instruction(.loopStart, step: number, a: loop, b: value(count)))
        } else {
            emit(Instruction(.beginRepeating, step: number))
            start = emit(Instruction(.branchAtEnd, step: number))
        }
        let entry = state
        let first = here
        let ends = compile(tree.steps, &state, dialog: dialog, following: tree.steps + following)
        if !ends {
            if state.outstanding.map(\.method) != entry.outstanding.map(\.method)
                || state.owed.map(\.method) != entry.owed.map(\.method)
            {
                error(
                    at,
                    "each round of Repeat must leave the call as it found it: a request is left without its final response."
                        + " Expect or send it inside the block")
            }
            if tree.count == nil {
                emit(Instruction(.jump, step: number, a: start))
            } else {
                emit(Instruction(.loopNext, step: number, a: loop, c: first))
            }
        }
        patch(start, target: here)
        if tree.count == nil { endPauses(from: first, at: here) }
        // The block may run no times at all.
        state.meet(entry)
        state.messageAtHand = false
    }

    /// The pauses of a block that is done until the load ends go on there when it does; those of a block within it have their own end.
    private mutating func endPauses(from first: Int, at end: Int) {
        for number in first..<end where program.instructions[number].operation == .pause {
            if program.instructions[number].c == 0 { program.instructions[number].c = Int32(end) }
        }
    }

    mutating func compileChoose(
        _ tree: ChooseTree, at: Spot, _ state: inout FlowState, dialog: Int, following: [Step]
    ) -> Bool {
        let number = step(at, "if")
        if tree.condition.readsMessage { requireMessage(state, at: at) }
        requireKnown(tree.condition.variableNames, state, at: at)
        let test = emit(Instruction(.branchUnless, step: number, a: condition(tree.condition)))
        var yes = state
        let yesEnds = compile(tree.then, &yes, dialog: dialog, following: following)
        let skip = yesEnds ? nil : emit(Instruction(.jump, step: number))
        patch(test, target: here)
        var no = state
        let noEnds = compile(tree.otherwise, &no, dialog: dialog, following: following)
        if let skip { patch(skip, target: here) }
        switch (yesEnds, noEnds) {
        case (true, true): return true
        case (true, false): state = no
        case (false, true): state = yes
        case (false, false):
            yes.meet(no)
            state = yes
        }
        return false
    }
}
