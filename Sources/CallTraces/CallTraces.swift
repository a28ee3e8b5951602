// CallTraces
