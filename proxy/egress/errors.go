package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"strings"
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

// reason names the cause of a failed connection. It does not use the text of an unknown error, which can contain an address or
// bytes from the server.
func reason(err error) string {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var dns *net.DNSError
	var network *net.OpError
	var system syscall.Errno
	switch {
	case errors.As(err, &certificate):
		return ": " + certificateText(certificate.Err)
	case errors.As(err, &record):
		return ": the server does not speak TLS"
	case errors.As(err, &alert):
		return ": " + alert.Error()
	case errors.As(err, &dns):
		return ": host name could not be resolved"
	case errors.As(err, &network) && network.Op == "dial" && errors.As(err, &system):
		return ": " + system.Error()
	}
	return ", or the connection broke"
}

// certificateText says what is wrong with a server's certificate. The text can quote names from the certificate.
func certificateText(err error) string {
	const longest = 200
	s := err.Error()
	if len(s) > longest {
		s = s[:longest] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
