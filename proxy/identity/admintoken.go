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

// AdminTokens say who is an admin where there is no RingCentral that knows: named tokens, each good for certain accounts.
// Of the tokens only hashes are kept. It is not changed once it is made, and safe for concurrent use.
type AdminTokens struct {
	byHash map[[sha256.Size]byte]adminToken
}

type adminToken struct {
	name     string
	accounts []crmgate.AccountID
}

// ParseAdminTokens reads a file of lines NAME:SHA256:ACCOUNT,…, as NewAdminToken makes them; empty lines and those that begin
// with # are comments. The error says which line is wrong, and quotes nothing of it.
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
			return nil, fmt.Errorf("line %d: expected NAME:SHA256:ACCOUNT,… with a name of its own", n)
		}
		raw, err := hex.DecodeString(parts[1])
		if err != nil || len(raw) != sha256.Size {
			return nil, fmt.Errorf("line %d: the second part is no SHA-256 in hexadecimal", n)
		}
		a := adminToken{name: parts[0]}
		for account := range strings.SplitSeq(parts[2], ",") {
			account = strings.TrimSpace(account)
			if account == "" || strings.ContainsAny(account, ": ") {
				return nil, fmt.Errorf("line %d: an account is empty, or has a colon or a blank in it", n)
			}
			a.accounts = append(a.accounts, crmgate.AccountID(account))
		}
		hash := [sha256.Size]byte(raw)
		if _, twice := t.byHash[hash]; twice {
			return nil, fmt.Errorf("line %d: this token has another name already", n)
		}
		names[a.name], t.byHash[hash] = true, a
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("a line is too long: %w", err)
	}
	return t, nil
}

// NewAdminToken makes a token, and the line that lets it in.
func NewAdminToken(name string, accounts []string) (token crmgate.Secret, line string, err error) {
	text := rand.Text() + rand.Text()
	hash := sha256.Sum256([]byte(text))
	line = name + ":" + hex.EncodeToString(hash[:]) + ":" + strings.Join(accounts, ",")
	if strings.HasPrefix(strings.TrimSpace(name), "#") || strings.ContainsAny(name, ":\n\r") {
		return token, "", crmgate.Refuse("A name has no colon and no line break in it, and does not begin with #.")
	}
	if _, err := ParseAdminTokens([]byte(line)); err != nil {
		return token, "", crmgate.Refuse("A token has a name, and accounts without colons and blanks: %v", err)
	}
	return crmgate.NewSecret(text), line, nil
}

// Verify finds a token. One that is good for several accounts is sent as ACCOUNT:TOKEN, and others may be.
func (t *AdminTokens) Verify(_ context.Context, token crmgate.Secret) (Identity, error) {
	text := token.Reveal()
	account, rest, named := strings.Cut(text, ":")
	if named {
		text = rest
	}
	a, ok := t.byHash[sha256.Sum256([]byte(text))]
	switch {
	case !ok:
		return Identity{}, rejected(401)
	case named && !slices.Contains(a.accounts, crmgate.AccountID(account)):
		return Identity{}, &crmgate.Refusal{Kind: crmgate.Forbidden, Message: "This admin token is not good for that account."}
	case !named && len(a.accounts) > 1:
		return Identity{}, crmgate.Refuse("This admin token is good for several accounts: send it as ACCOUNT:TOKEN.")
	case !named:
		account = string(a.accounts[0])
	}
	return Identity{Account: crmgate.AccountID(account), Extension: crmgate.ExtensionID("token " + a.name), Admin: true}, nil
}
