package manifest

// AuthType is how people sign in to a CRM.
type AuthType string

// The two kinds of sign-in.
const (
	OAuth  AuthType = "oauth"
	APIKey AuthType = "apiKey"
)
