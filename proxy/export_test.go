package proxy

var (
	FormToJSON  = formToJSON
	SplitTarget = splitTarget
)
