package egress

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"syscall"

	"code.dny.dev/ssrf"

	"github.com/crmgate/crmgate"
)

// explain turns a transport error into a FetchError, whose message a connector's author may read.
func explain(err error, u *url.URL) *crmgate.FetchError {
	var fe *crmgate.FetchError
	var pe *proxyError
	switch {
	case errors.As(err, &fe):
		return fe
	case errors.Is(err, ssrf.ErrProhibitedIP), errors.Is(err, ssrf.ErrProhibitedNetwork), errors.Is(err, errNotAllowed):
		return &crmgate.FetchError{Kind: crmgate.FetchRefused, Message: u.Hostname() + " has an address that is not allowed", Err: err}
	case errors.Is(err, context.Canceled):
		return &crmgate.FetchError{Kind: crmgate.FetchTimeout, Message: "the request was cancelled", Err: err}
	case errors.As(err, &pe):
		return &crmgate.FetchError{Kind: pe.kind(), Message: pe.message(u.Hostname()), Err: err}
	case isTimeout(err):
		return &crmgate.FetchError{Kind: crmgate.FetchTimeout, Message: u.Host + " did not answer in time", Err: err}
	}
	return &crmgate.FetchError{Kind: crmgate.FetchConnect, Message: "could not connect to " + u.Host + reason(err), Err: err}
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// reason names a common cause of a failed connection. It never uses the error's own text, which can contain an address or
// bytes from the server.
func reason(err error) string {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var dns *net.DNSError
	switch {
	case errors.As(err, &authority):
		return ": certificate signed by unknown authority"
	case errors.As(err, &name):
		return ": certificate is not valid for this host"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return ": certificate has expired or is not yet valid"
	case errors.As(err, &dns):
		return ": host name could not be resolved"
	case errors.Is(err, syscall.ECONNREFUSED):
		return ": connection refused"
	}
	return ", or the connection broke"
}
