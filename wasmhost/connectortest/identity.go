package connectortest

import (
	"context"
	"fmt"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// stableIDAdvice is the advice for an id that changes.
const stableIDAdvice = "make the id from the CRM's id of the user, and from nothing else: it must never change"

// checkIdentity checks that a user's id does not depend on the credential, and that two users have different ids.
func (k *check) checkIdentity(ctx context.Context, inputs map[string]doc) {
	const name = "getUserInfo: identity"
	k.scanner.setCase(name)
	id := func(input doc) string {
		return fmt.Sprint(parseDoc(k.call(ctx, "getUserInfo", input, "").Output).object("platformUserInfo")["id"])
	}
	input := inputs["getUserInfo"]
	want, same, other := recordedID(k.own), "", ""
	switch {
	case input == nil || ctx.Err() != nil:
		return
	case usesPracticeCRM(k.manifest) && k.manifest.AuthType == manifest.OAuth:
		for who, into := range map[string]*string{"ada": &want, "ada again": &same, "grace": &other} {
			login, _, _ := strings.Cut(who, " ")
			access, err := k.practiceToken(ctx, login)
			if err != nil {
				k.add(name, Failed, err.Error(), "")
				return
			}
			k.scanner.addSecret("the access token", access)
			*into = id(input.with("authHeader", "Bearer "+access))
		}
	case want != "" && !usesPracticeCRM(k.manifest):
		same = id(input)
	default:
		return
	}
	switch {
	case want == "<nil>" || same == "<nil>": // a call failed, which was reported before
	case want != same:
		k.add(name, Failed, fmt.Sprintf("with another credential, %s becomes %s", crmgate.Clip(want), crmgate.Clip(same)), stableIDAdvice)
	case want == other:
		k.add(name, Failed, fmt.Sprintf("two users both have the id %s", crmgate.Clip(want)), stableIDAdvice)
	default:
		k.add(name, OK, "each user has one id, with any credential", "")
	}
}

// recordedID returns the id of the first recorded successful sign-in, or "".
func recordedID(own []vectors) string {
	for _, c := range casesOf(own, "getUserInfo") {
		if c.succeeds() {
			return fmt.Sprint(parseDoc(c.Output).object("platformUserInfo")["id"])
		}
	}
	return ""
}

// usesPracticeCRM reports whether the manifest allows requests to the practice CRM.
func usesPracticeCRM(m *manifest.Manifest) bool {
	return m.Hosts.AllowURL("http://"+practicecrm.Addr, "") == nil
}
