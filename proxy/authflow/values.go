package authflow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/crmgate/crmgate"
)

// keep sets *old to v unless v is empty: what a sign-in did not bring leaves what was there.
func keep[S ~string](old *S, v S) {
	if v != "" {
		*old = v
	}
}

// message is a message that has other members than most, or has them in another order.
func message(v any) *crmgate.ReturnMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	var m crmgate.ReturnMessage
	_ = e.Encode(v) // texts and numbers: never fails
	_ = json.Unmarshal(b.Bytes(), &m)
	return &m
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
	if err := json.Unmarshal(over, &all); err != nil || all == nil { // null
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
