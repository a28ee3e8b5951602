// ScenarioDSL
