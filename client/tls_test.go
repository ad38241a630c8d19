package client

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// What the program says of TLS is its own: it may be used for other things, at the same moment.
func TestTLSIsLeftAsItIs(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	o := Options{TLS: &tls.Config{RootCAs: roots}, Dial: new(net.Dialer).DialContext}
	c := newHTTP(&o)
	defer c.CloseIdleConnections()
	resp, err := c.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if o.TLS.NextProtos != nil {
		t.Errorf("it is changed: %v", o.TLS.NextProtos)
	}
}
