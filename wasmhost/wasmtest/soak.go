package wasmtest

import "os"

// Soak reports whether tests should run in their long form: the environment variable CRMGATE_SOAK is set.
func Soak() bool { return os.Getenv("CRMGATE_SOAK") != "" }
