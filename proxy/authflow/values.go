package authflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/token"
)

// keep sets *old to v unless v is empty: what a sign-in did not bring leaves what was there.
func keep[S ~string](old *S, v S) {
	if v != "" {
		*old = v
	}
}

// maxInfo bounds additional info, which grows with what a connector keeps adding.
const maxInfo = 64 << 10

// mergeObjects lays a JSON object over another, member by member. Either may be empty.
func mergeObjects(old, over json.RawMessage) (json.RawMessage, error) {
	if len(over) == 0 {
		return old, nil
	}
	all := map[string]json.RawMessage{}
	if len(old) > 0 {
		if err := json.Unmarshal(old, &all); err != nil {
			return nil, fmt.Errorf("stored additional info: %w", err)
		}
	}
	if err := json.Unmarshal(over, &all); err != nil {
		return nil, crmgate.Refuse("the connector's additional info is no JSON object")
	}
	merged, err := json.Marshal(all)
	if len(merged) > maxInfo {
		return nil, crmgate.Refuse("the connector's additional info is larger than %d bytes", maxInfo)
	}
	return merged, err
}

// checkID says what is wrong with a user id that a connector chose.
func checkID(id crmgate.UserID) error {
	switch {
	case id == "":
		return errors.New("the answer lacks platformUserInfo.id")
	case len(id) > 256:
		return errors.New("platformUserInfo.id is longer than 256 bytes")
	case !utf8.ValidString(string(id)):
		return errors.New("platformUserInfo.id is no UTF-8 text")
	}
	return nil
}

// userRequest is what an operation on a signed-in person gets.
func userRequest(ctx context.Context, conn crmgate.Connector, p crmgate.Person) (crmgate.UserRequest, error) {
	req := crmgate.UserRequest{User: p.User}
	if e := p.Grant.Expiry; !e.IsZero() {
		req.TokenExpiry, _ = json.Marshal(e.UTC().Format(time.RFC3339))
	}
	var err error
	req.AuthHeader, err = token.AuthHeader(ctx, conn, p)
	return req, err
}
