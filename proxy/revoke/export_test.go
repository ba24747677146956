package revoke

// Exported for tests of the worker.
const (
	Age       = age
	AtOnce    = atOnce
	FirstWait = firstWait
)
