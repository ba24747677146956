package revoke

// What the tests must know of the worker.
const (
	Age          = age
	AtOnce       = atOnce
	FirstWait    = firstWait
	LongestPause = longestPause
)
