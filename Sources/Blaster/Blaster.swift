// Blaster
