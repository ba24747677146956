package crmgate

import (
	"context"
	"net/netip"
)

// Source is where a request comes from, for limits: the client's IPv4 address, or the /64 of its IPv6 address, which one
// customer of a provider has. It is the zero Source if the client is not known, because the request comes from a private
// address that is not a trusted proxy: there may be a proxy that the operator has not named, or no client at all.
type Source netip.Prefix

// SourceAt returns the Source of a client's address.
func SourceAt(client netip.Addr) Source {
	client = client.Unmap().WithZone("")
	bits := client.BitLen()
	if client.Is6() {
		bits = 64
	}
	p, err := client.Prefix(bits)
	if err != nil {
		return Source{}
	}
	return Source(p)
}

// SourceOf returns the source of the request of a context.
func SourceOf(ctx context.Context) Source {
	if t := TraceOf(ctx); t != nil {
		return t.Source
	}
	return Source{}
}
