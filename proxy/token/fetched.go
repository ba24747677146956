package token

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
)

// fetched keeps what the CRM answers to a connector that refreshes by itself. If the connector does not come to its end, the next
// refresh with the same refresh token gives it these answers, and does not ask the CRM again: a CRM that rotates refresh tokens would
// refuse, or end the grant.
//
// It implements connector.Fetches for one refresh.
type fetched struct {
	db      storage.Pending
	id      string
	logger  *slog.Logger
	answers []fetchedAnswer
	used    bool // an answer of an earlier run was used
}

// fetchedAnswer is an answer in the store.
type fetchedAnswer struct {
	N       int    `json:"n"`
	Request string `json:"request"`
	Answer  string `json:"answer"`
}

const (
	// fetchedLife is how long answers are kept, like token answers.
	fetchedLife = 7 * 24 * time.Hour
	// maxFetched is the longest answer that is kept, in bytes. Answers with tokens are much shorter.
	maxFetched = 64 << 10
)

// fetches returns what is kept for the refresh of a person's grant.
func (a attempt) fetches(ctx context.Context) (*fetched, error) {
	f := &fetched{db: a.engine.DB.Fetched(), id: storage.FetchedID(a.was.User.Key, a.was.Grant.RefreshToken), logger: a.engine.Logger}
	b, err := f.db.Get(ctx, f.id)
	if errors.Is(err, crmgate.ErrNotFound) {
		return f, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &f.answers)
	}
	return f, err
}

// Earlier is connector.Fetches.Earlier.
func (f *fetched) Earlier(n int, request string) (crmgate.Secret, bool) {
	for _, a := range f.answers {
		if a.N == n && a.Request == request {
			f.used = true
			return crmgate.NewSecret(a.Answer), true
		}
	}
	return crmgate.Secret{}, false
}

// Keep is connector.Fetches.Keep. It keeps answers that name a token, even if the request's context has ended. Other answers may be
// errors with status 200, which must not be repeated.
func (f *fetched) Keep(ctx context.Context, n int, request string, answer crmgate.Secret) {
	var d struct {
		Body       string
		BodyBase64 []byte
	}
	if len(answer.Reveal()) > maxFetched || json.Unmarshal([]byte(answer.Reveal()), &d) != nil || !namesToken.MatchString(d.Body) && !namesToken.Match(d.BodyBase64) {
		return
	}
	f.answers = append(f.answers, fetchedAnswer{n, request, answer.Reveal()})
	f.write(ctx)
}

// failed says that the connector has come to its end with an error. Answers of an earlier run did not help it, and are dropped.
func (f *fetched) failed(ctx context.Context) {
	if f.used {
		f.answers = nil
		f.write(ctx)
	}
}

func (f *fetched) write(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	b, err := json.Marshal(f.answers)
	if err == nil {
		err = f.db.Update(ctx, f.id, fetchedLife, func([]byte) ([]byte, error) { return b, nil })
	}
	if err != nil { // the refresh goes on: the grant itself may still be stored
		f.logger.ErrorContext(ctx, "could not keep what a connector fetched", "err", err)
	}
}
