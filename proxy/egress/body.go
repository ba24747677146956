package egress

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"sync"

	"github.com/crmgate/crmgate"
)

// body is a response body with a size limit. Close releases the request's slot. Not safe for concurrent use.
type body struct {
	rc          io.ReadCloser
	left, limit int64 // in bytes
	url         *url.URL
	end         func() // called once, by Close
	once        sync.Once
}

func (b *body) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, b.tooLarge()
	}
	if int64(len(p)) > b.left+1 { // one byte over the limit shows that the body is too large
		p = p[:b.left+1]
	}
	n, err := b.rc.Read(p)
	b.left -= int64(n)
	switch {
	case b.left < 0:
		return n - 1, b.tooLarge()
	case err == nil || errors.Is(err, io.EOF):
		return n, err
	}
	return n, explain(err, b.url)
}

func (b *body) tooLarge() error {
	return &crmgate.FetchError{Kind: crmgate.FetchSize, Message: fmt.Sprintf("the response of %s is larger than %d bytes", b.url.Host, b.limit)}
}

func (b *body) Close() error {
	err := b.rc.Close()
	b.once.Do(b.end)
	return err
}
