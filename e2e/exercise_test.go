package e2e_test

import (
	"testing"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge"
	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// Each exercise reaches the CRM as the request of a client would. A refresh is made although the token has not expired.
func TestExercises(t *testing.T) {
	t.Parallel()
	n := edgetest.New(t)
	token, err := n.OAuth(t.Context(), "ada")
	edgetest.Must(t, err)
	ada := crmgate.UserKey{Platform: "practice", ID: "1-practice"}
	for _, what := range edge.Exercises {
		before := n.CRM.Counts()
		edgetest.Must(t, n.Edge.Exercise(t.Context(), ada, what))
		after := n.CRM.Counts()
		got := practicecrm.Counts{Me: after.Me - before.Me, Refreshes: after.Refreshes - before.Refreshes, Revoke: after.Revoke - before.Revoke}
		want := map[string]practicecrm.Counts{
			"authValidation": {Me: 1}, "refreshUserInfo": {Me: 1}, "getLicenseStatus": {}, "refresh": {Refreshes: 1}, "unAuthorize": {Revoke: 1},
		}[what]
		if got != want {
			t.Errorf("%s makes the requests %+v, want %+v", what, got, want)
		}
	}
	if lives, err := n.Lives(t.Context(), token); lives || err != nil {
		t.Errorf("the session lives after unAuthorize: %v", err)
	}
	if err := n.Edge.Exercise(t.Context(), ada, "refresh"); err == nil {
		t.Error("a person who has signed out is refreshed")
	}
	if err := n.Edge.Exercise(t.Context(), ada, "dance"); err == nil {
		t.Error("an unknown exercise is done")
	}
}
