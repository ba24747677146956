package operator

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
)

// Application is an OAuth application as the operator sees it: one that issued the grants of people, or that the CRM rejects.
type Application struct {
	Platform crmgate.Platform  `json:"platform"`
	Account  crmgate.AccountID `json:"rcAccountId,omitempty"` // the organisation; empty for the connector's application
	ClientID string            `json:"clientId,omitempty"`
	State    string            `json:"state"`  // "in use", or "rejected" by the CRM
	People   int               `json:"people"` // who hold its grants
	// Rejections are what the CRM has rejected; empty unless the state is "rejected".
	Rejections []Rejection `json:"rejections,omitempty"`
}

// Rejection says that the CRM rejects an application.
type Rejection struct {
	Use    string    `json:"use"`            // what the application was used for: refresh, revocation or sign-in
	Code   string    `json:"code,omitempty"` // the CRM's
	Reason string    `json:"reason"`         // in the CRM's own words, if it said something
	Since  time.Time `json:"since"`
	// Tried is the latest attempt. It is zero if the next request tries the application.
	Tried time.Time `json:"tried,omitzero"`
}

// Applications lists the applications in the order of platform, account and client id. It reads every person's record. The
// error names records that do not open.
func (d Directory) Applications(ctx context.Context) ([]Application, error) {
	type key struct {
		platform crmgate.Platform
		account  crmgate.AccountID
		clientID string
	}
	found := map[key]*Application{}
	of := func(k key) *Application {
		if found[k] == nil {
			found[k] = &Application{Platform: k.platform, Account: k.account, ClientID: k.clientID, State: "in use"}
		}
		return found[k]
	}
	err := d.DB.People(ctx, func(p crmgate.Person, _ storage.Session) error {
		if app := p.Grant.App; app.ClientID != "" && !p.Grant.Empty() {
			of(key{p.User.Key.Platform, app.Account, app.ClientID}).People++
		}
		return nil
	})
	pauses, unread := d.DB.Pauses(ctx)
	for _, p := range pauses {
		a := of(key{p.Platform, p.Account, p.ClientID})
		a.State = "rejected"
		a.Rejections = append(a.Rejections, Rejection{cmp.Or(string(p.Use), "refresh"), p.Code, p.Reason(), p.Since, p.Tried})
	}
	all := []Application{}
	for _, a := range found {
		slices.SortFunc(a.Rejections, func(a, b Rejection) int { return a.Since.Compare(b.Since) })
		all = append(all, *a)
	}
	slices.SortFunc(all, func(a, b Application) int {
		return cmp.Or(cmp.Compare(a.Platform, b.Platform), cmp.Compare(a.Account, b.Account), cmp.Compare(a.ClientID, b.ClientID))
	})
	return all, errors.Join(err, unread)
}

// RetryApplications lets the next request try the rejected applications of a platform: those of an account, or all if account
// is nil. It returns how many they are. It is a Refusal if there are none.
func (d Directory) RetryApplications(ctx context.Context, p crmgate.Platform, account *crmgate.AccountID) (int, error) {
	n, err := d.DB.RetryPaused(ctx, p, account)
	if err == nil && n == 0 {
		err = crmgate.Refuse("The CRM does not reject such an application of %s. Use \"crmgate apps list\" to see the applications.", p)
	}
	return n, err
}
