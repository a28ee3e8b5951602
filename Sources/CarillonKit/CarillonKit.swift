// CarillonKit
