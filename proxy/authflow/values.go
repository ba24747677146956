package authflow

import (
	"bytes"
	"encoding/json"
	"errors"
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
