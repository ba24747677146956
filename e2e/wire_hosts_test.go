package e2e_test

import (
	"strings"
	"testing"

	"github.com/crmgate/crmgate/edge"
	"github.com/crmgate/crmgate/edge/edgetest"
)

// TestStrangerOfAnotherHost: the owner of a tenant lets it answer with the id of a person of another tenant. The stranger gets
// a session of their own, and nothing of the person's.
func TestStrangerOfAnotherHost(t *testing.T) {
	t.Parallel()
	w := newWired(t, map[string]guest{"wire": {
		"getUserInfo":     `{"successful":true,"platformUserInfo":{"id":"7-$PLATFORM","name":"Wired","platformAdditionalInfo":{"a":1}}}`,
		"refreshUserInfo": `{"successful":true}`,
	}})
	const stored = `{"secret":{"value":"vic's"}}`
	vic := w.token(w.in("wire", "&hostname=us.example&rcAccountId=1"))
	w.postJSON("/user/settings", `{"userSettings":`+stored+`}`, bearer(vic)...).want(t, 200, `{"userSettings":`+stored+`}`)
	before := w.only("wire", "7-wire")

	stranger := w.token(w.in("wire", "&hostname=evil.example&rcAccountId=2"))
	t.Run("7.34 the person keeps everything", func(t *testing.T) {
		w.get("/hostname", bearer(vic)...).want(t, 200, "us.example")
		w.get("/user/settings", bearer(vic)...).want(t, 200, stored)
		p, err := w.Edge.DB().Person(t.Context(), before.User.Key)
		if edgetest.Must(t, err); p.User.Account != "1" || !p.User.SignedIn.Equal(before.User.SignedIn) || !p.Grant.AccessToken.Equal(before.Grant.AccessToken) {
			t.Errorf("the person is %+v, was %+v", p.User, before.User)
		}
	})
	t.Run("7.34 the stranger has nothing of it", func(t *testing.T) {
		w.get("/hostname", bearer(stranger)...).want(t, 200, "evil.example")
		w.get("/user/settings", bearer(stranger)...).want(t, 200, `{}`)
		w.get("/user/refreshInfo", bearer(stranger)...)
		if in := w.got("wire", "refreshUserInfo"); strings.Contains(in, "us.example") {
			t.Errorf("the connector got %s", in)
		}
	})
	t.Run("the operator names the host", func(t *testing.T) {
		_, err := w.operator().Person(t.Context(), edge.PersonName{Platform: "wire", ID: "7-wire"})
		if err == nil || !strings.Contains(err.Error(), "2 people of wire have the id 7-wire. Add --host and one of: evil.example, us.example") {
			t.Errorf("without a host: %v", err)
		}
		host := "evil.example"
		e, err := w.operator().Person(t.Context(), edge.PersonName{Platform: "wire", ID: "7-wire", Hostname: &host})
		if edgetest.Must(t, err); e.Hostname != host || e.Account != "2" {
			t.Errorf("got %+v", e)
		}
		_, err = w.operator().Forget(t.Context(), edge.PersonName{Platform: "wire", ID: "7-wire", Hostname: &host})
		edgetest.Must(t, err)
		w.get("/hostname", bearer(stranger)...).want(t, 400, noSession)
		w.get("/hostname", bearer(vic)...).want(t, 200, "us.example")
	})
}
