package authflow

import (
	"context"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/limit"
)

// ReadCallbackResult is what ReadCallback reads from a callback.
type ReadCallbackResult struct {
	Platform                    crmgate.Platform
	Hostname, State, Code, Bare string
	Agent                       bool
}

func ReadCallback(r CallbackRequest, redirectURI string) (ReadCallbackResult, error) {
	resp, err := readResponse(r, "https://gate.example")
	if err != nil {
		return ReadCallbackResult{}, err
	}
	code, err := resp.code(redirectURI)
	return ReadCallbackResult{resp.platform, resp.hostname, resp.state, code.Reveal(), resp.withoutCode, resp.agent}, err
}

var (
	AuthURL     = authURL
	CheckID     = checkID
	CheckIssuer = checkIssuer
)

// BoundState is the part of a bound state that tests compare.
type BoundState struct {
	Platform crmgate.Platform
	Account  crmgate.AccountID
	Hostname string
}

// BindState makes the parameter of a bound state.
func (f *Flows) BindState(ctx context.Context, s BoundState, short bool) (param string, err error) {
	param, _, err = f.states.bind(ctx, state{Platform: s.Platform, Account: s.Account, Hostname: s.Hostname}, short)
	return param, err
}

// OpenState opens a bound state.
func (f *Flows) OpenState(ctx context.Context, param string) (BoundState, error) {
	s, err := f.states.open(ctx, param)
	return BoundState{s.Platform, s.Account, s.Hostname}, err
}

// MaxPolls is how many polls may wait at once. One client may use half of them if no other client needs them.
const MaxPolls = maxPolls

// Polls are the waiting polls.
type Polls = polls

var NewPolls = newPolls

func (w *polls) Join(id string, c limit.Client) (<-chan struct{}, func(), error) {
	return w.join(id, c)
}
func (w *polls) Wake(id string) { w.wake(id) }
func (w *polls) Count() int     { return w.count() }

// RefusedCode reports whether an error of an exchange counts as a refused code.
var RefusedCode = refusedCode

// MaxFailures is how many failed sign-ins of a client are recorded at once, and ClientBurst how many it may try.
const (
	MaxFailures = maxFailures
	ClientBurst = clientBurst
)

// MaxFailed is how many failed redemptions are remembered.
const MaxFailed = maxFailed

// Redemptions see to it that a code is exchanged once.
type Redemptions = redemptions

var NewRedemptions = newRedemptions

// Once is once for one caller, and a redemption without a session.
func (rs *redemptions) Once(ctx context.Context, code string, redeem func() (settled bool, err error)) (repeated bool, err error) {
	_, repeated, err = rs.once(ctx, claim{code: code}, func() (SignedIn, bool, error) {
		settled, err := redeem()
		return SignedIn{}, settled, err
	})
	return repeated, err
}

// Count returns how many redemptions run or are remembered.
func (rs *redemptions) Count() int {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return len(rs.known)
}
