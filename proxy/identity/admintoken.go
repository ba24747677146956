package identity

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/crmgate/crmgate"
)

// AdminTokens verifies admin tokens, for admins who have no RingCentral account. Each token has a name and is valid for certain
// accounts. AdminTokens holds only hashes of them. The zero AdminTokens has none. It is immutable and safe for concurrent use.
type AdminTokens struct {
	byHash map[[sha256.Size]byte]adminToken
}

type adminToken struct {
	name     string
	accounts []crmgate.AccountID
}

// ParseAdminTokens reads a file of lines NAME:SHA256:ACCOUNT,…, as NewAdminToken makes them. Empty lines and lines that begin
// with # are ignored. The error gives the number of the wrong line and quotes nothing from it.
func ParseAdminTokens(b []byte) (*AdminTokens, error) {
	t := &AdminTokens{byHash: map[[sha256.Size]byte]adminToken{}}
	names := map[string]bool{}
	lines := bufio.NewScanner(bytes.NewReader(b))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		parts := strings.SplitN(line, ":", 3)
		if len(parts) != 3 || parts[0] == "" || names[parts[0]] {
			return nil, fmt.Errorf("line %d: expected NAME:SHA256:ACCOUNT,… with a unique name", n)
		}
		raw, err := hex.DecodeString(parts[1])
		if err != nil || len(raw) != sha256.Size {
			return nil, fmt.Errorf("line %d: the second part is not a SHA-256 in hexadecimal", n)
		}
		a := adminToken{name: parts[0]}
		for account := range strings.SplitSeq(parts[2], ",") {
			account = strings.TrimSpace(account)
			if account == "" || strings.ContainsAny(account, ": ") {
				return nil, fmt.Errorf("line %d: an account is empty or contains a colon or a space", n)
			}
			a.accounts = append(a.accounts, crmgate.AccountID(account))
		}
		hash := [sha256.Size]byte(raw)
		if _, twice := t.byHash[hash]; twice {
			return nil, fmt.Errorf("line %d: this token already has another name", n)
		}
		names[a.name], t.byHash[hash] = true, a
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("a line is too long: %w", err)
	}
	return t, nil
}

// alphabet has the characters of rand.Text, which admin tokens are made of.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// NewAdminToken makes a token and its line for the file.
func NewAdminToken(name string, accounts []string) (token crmgate.Secret, line string, err error) {
	text := rand.Text() + rand.Text()
	hash := sha256.Sum256([]byte(text))
	line = name + ":" + hex.EncodeToString(hash[:]) + ":" + strings.Join(accounts, ",")
	if strings.HasPrefix(strings.TrimSpace(name), "#") || strings.ContainsAny(name, ":\n\r") {
		return token, "", crmgate.Refuse("The name %q is not valid: it must not contain a colon or a line break, or begin with #.", name)
	}
	if _, err := ParseAdminTokens([]byte(line)); err != nil {
		return token, "", crmgate.Refuse("A token needs a name, and accounts without colons and spaces: %v", err)
	}
	return crmgate.NewSecret(text), line, nil
}

// hasForm reports whether a token has the form that NewAdminToken gives it, alone or as ACCOUNT:TOKEN. No token of RingCentral
// has it: those have lower-case letters.
func hasForm(token crmgate.Secret) bool {
	text := token.Reveal()
	if _, rest, named := strings.Cut(text, ":"); named {
		text = rest
	}
	return len(text) == 2*len(rand.Text()) && strings.Trim(text, alphabet) == ""
}

// Verify returns the admin behind a token. A token for several accounts is sent as ACCOUNT:TOKEN; any other may be.
func (t *AdminTokens) Verify(_ context.Context, token crmgate.Secret) (Identity, error) {
	text := token.Reveal()
	account, rest, named := strings.Cut(text, ":")
	if named {
		text = rest
	}
	a, ok := t.byHash[sha256.Sum256([]byte(text))]
	switch {
	case !ok:
		return Identity{}, &crmgate.Refusal{Message: "This admin token is not valid.", Err: crmgate.ErrInvalidToken}
	case named && !slices.Contains(a.accounts, crmgate.AccountID(account)):
		return Identity{}, &crmgate.Refusal{Kind: crmgate.Forbidden, Message: "This admin token is not valid for that account."}
	case !named && len(a.accounts) > 1:
		return Identity{}, crmgate.Refuse("This admin token is valid for several accounts: send it as ACCOUNT:TOKEN.")
	case !named:
		account = string(a.accounts[0])
	}
	return Identity{Account: crmgate.AccountID(account), Extension: crmgate.ExtensionID(tokenPrefix + a.name), Admin: true}, nil
}

// tokenPrefix begins the extension id of an identity that was made of an admin token. Its name follows.
const tokenPrefix = "token "

// TokenName returns the name of the admin token that an extension id was made of; ok is false if it was not.
func TokenName(x crmgate.ExtensionID) (name string, ok bool) {
	return strings.CutPrefix(string(x), tokenPrefix)
}
