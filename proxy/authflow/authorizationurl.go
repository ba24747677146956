package authflow

import (
	"strings"

	"github.com/crmgate/crmgate/manifest"
)

// PlainURL is the authorization URL of an application, with the state that App Connect's clients send. extra is appended.
func PlainURL(m *manifest.Manifest, o manifest.OAuthSection, extra string) string {
	return authURL(o, m.Token.ScopeSeparator, plainState(m), extra)
}

// plainState is the state that App Connect's clients send: the manifest's customState, else the platform's name.
func plainState(m *manifest.Manifest) string {
	if m.OAuth.CustomState != "" {
		return m.OAuth.CustomState
	}
	return "platform=" + string(m.Platform)
}

// authURL composes the URL exactly as App Connect's client does. net/url would sort and encode parts that must stay as they
// are. A scope with "=" is itself part of a query, such as Google's "access_type=offline&scope=…".
func authURL(o manifest.OAuthSection, separator, state, extra string) string {
	var b strings.Builder
	b.WriteString(o.AuthURL)
	if strings.Contains(o.AuthURL, "?") {
		b.WriteByte('&')
	} else {
		b.WriteByte('?')
	}
	b.WriteString("response_type=code&client_id=" + encodeURIComponent(o.ClientID))
	if strings.Contains(o.Scope, "=") {
		b.WriteString("&" + o.Scope)
	} else if o.Scope != "" {
		b.WriteString("&scope=" + encodeScopes(o.Scope, separator))
	}
	b.WriteString("&state=" + state + "&redirect_uri=" + encodeURIComponent(o.RedirectURI) + extra)
	return encodeStray(b.String())
}

// encodeScopes encodes a scope, or its parts joined by the manifest's separator. The separator "+" is not encoded: some
// servers read it as a space, others look for the character.
func encodeScopes(scope, separator string) string {
	if separator == "" {
		return encodeURIComponent(scope)
	}
	if separator != "+" {
		separator = encodeURIComponent(separator)
	}
	scopes := strings.Fields(scope)
	for i, s := range scopes {
		scopes[i] = encodeURIComponent(s)
	}
	return strings.Join(scopes, separator)
}

const hexDigits = "0123456789ABCDEF"

// percent percent-encodes the bytes of s that keep refuses.
func percent(s string, keep func(byte) bool) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c := s[i]; keep(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
		}
	}
	return b.String()
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// encodeURIComponent is JavaScript's (ECMA-262, 19.2.6.4).
func encodeURIComponent(s string) string {
	return percent(s, func(c byte) bool { return alphanumeric(c) || strings.IndexByte("-_.!~*'()", c) >= 0 })
}

// encodeStray percent-encodes only the bytes that a URL may not contain (RFC 3986, section 2).
func encodeStray(s string) string {
	return percent(s, func(c byte) bool { return alphanumeric(c) || strings.IndexByte("-._~:/?#[]@!$&'()*+,;=%", c) >= 0 })
}
