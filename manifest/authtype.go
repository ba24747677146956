package manifest

// AuthType is how a CRM lets people in.
type AuthType string

// The two kinds of sign-in.
const (
	OAuth  AuthType = "oauth"
	APIKey AuthType = "apiKey"
)
