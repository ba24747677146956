package connectortest

import (
	"context"
	"fmt"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
)

// lastingID is what to do about an id that changes.
const lastingID = "make the id of what the CRM calls the person by, and of nothing else: it is theirs for good"

// checkIdentity: a person is who they are whatever credential they come with, and two people are two.
func (k *check) checkIdentity(ctx context.Context, inputs map[string]doc) {
	const name = "getUserInfo: who is who"
	k.watch.at(name)
	id := func(input doc) string {
		return fmt.Sprint(parseDoc(k.call(ctx, "getUserInfo", input, "").Output).object("platformUserInfo")["id"])
	}
	input := inputs["getUserInfo"]
	want, same, other := k.recordedID(), "", ""
	switch {
	case input == nil || ctx.Err() != nil:
		return
	case k.atPracticeCRM() && k.manifest.AuthType == manifest.OAuth:
		for who, into := range map[string]*string{"ada": &want, "ada again": &same, "grace": &other} {
			login, _, _ := strings.Cut(who, " ")
			access, err := k.practiceToken(ctx, login)
			if err != nil {
				k.say(name, Failed, err.Error(), "")
				return
			}
			k.watch.secret("the access token", access)
			*into = id(input.with("authHeader", "Bearer "+access))
		}
	case want != "" && !k.atPracticeCRM():
		same = id(input)
	default:
		return
	}
	switch {
	case want == "<nil>": // it does not succeed, which was said
	case want != same:
		k.say(name, Failed, fmt.Sprintf("with another credential, %s is %s", crmgate.Clip(want), crmgate.Clip(same)), lastingID)
	case want == other:
		k.say(name, Failed, fmt.Sprintf("two people are both %s", crmgate.Clip(want)), lastingID)
	default:
		k.say(name, OK, "an id for each person, whatever the credential", "")
	}
}

// recordedID is the id of the first recorded sign-in that succeeded; empty if there is none.
func (k *check) recordedID() string {
	for _, c := range of(k.own, "getUserInfo") {
		if c.glad() {
			return fmt.Sprint(parseDoc(c.Output).object("platformUserInfo")["id"])
		}
	}
	return ""
}

func (k *check) atPracticeCRM() bool {
	return k.manifest.Hosts.AllowURL("http://"+practiceHost, "") == nil
}
