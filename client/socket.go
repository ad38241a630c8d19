package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lxzan/gws"

	"github.com/editlock/editlock/wire"
)

// maxFrame bounds what a server may send: a list of 1,000 resources is well below.
const maxFrame = 16 << 20

// socket is a WebSocket as a carrier.
type socket struct {
	gws.BuiltinEventHandler
	l    *link
	raw  *timed
	conn *gws.Conn
	turn chan struct{} // a token is in it while somebody writes
}

// blocked is the error of a WebSocket that does not get through, though there is something at the address.
type blocked struct{ error }

func (b blocked) Unwrap() error { return b.error }

// openSocket connects l to its server. ctx bounds the handshake.
func openSocket(ctx context.Context, l *link, hello func() ([]byte, error)) (carrier, error) {
	o := &l.s.opts
	raw, err := dial(ctx, o, l.base)
	if err != nil {
		if proxied(o, l.base) {
			err = blocked{err} // only the proxy may know the way
		}
		return nil, err
	}
	// The library would wait for its own timeout, and leave a goroutine behind: so the connection is closed under it.
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	k := &socket{l: l, raw: &timed{Conn: raw}, turn: make(chan struct{}, 1)}
	address := *l.base.JoinPath("v1", "socket")
	address.Scheme = "ws" + strings.TrimPrefix(address.Scheme, "http")
	conn, resp, err := gws.NewClientFromConn(k, &gws.ClientOption{
		Addr:               address.String(),
		RequestHeader:      http.Header{"Sec-WebSocket-Protocol": {wire.Subprotocol}},
		HandshakeTimeout:   time.Hour,
		ReadMaxPayloadSize: maxFrame,
		CheckUtf8Enabled:   true,
		Logger:             quiet{},
	}, k.raw)
	switch {
	case ctx.Err() != nil:
		return nil, blocked{errors.New("the server did not answer in time")}
	case err != nil && resp != nil && (resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable):
		return nil, fmt.Errorf("the server answered %s", resp.Status)
	case err != nil && resp != nil && resp.StatusCode != http.StatusSwitchingProtocols:
		return nil, blocked{fmt.Errorf("the server answered %s", resp.Status)}
	case err != nil:
		return nil, blocked{err}
	}
	k.conn = conn
	frame, err := hello()
	if err == nil {
		err = k.send(frame)
	}
	if err != nil {
		_ = k.raw.Close()
		return nil, blocked{err}
	}
	return k, nil
}

// proxied reports whether HTTP goes to a server by a proxy.
func proxied(o *Options, base *url.URL) bool {
	proxy, err := o.Proxy(&http.Request{URL: base})
	return err == nil && proxy != nil
}

// dial makes the network connection to a server.
func dial(ctx context.Context, o *Options, base *url.URL) (net.Conn, error) {
	port := base.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[base.Scheme]
	}
	raw, err := o.Dial(ctx, "tcp", net.JoinHostPort(base.Hostname(), port))
	if err != nil || base.Scheme == "http" {
		return raw, err
	}
	config := &tls.Config{}
	if o.TLS != nil {
		config = o.TLS.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = base.Hostname()
	}
	config.NextProtos = []string{"http/1.1"}
	secure := tls.Client(raw, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return secure, nil
}

func (k *socket) send(frame []byte) error {
	k.turn <- struct{}{}
	defer func() { <-k.turn }()
	return k.conn.WriteMessage(gws.OpcodeText, frame)
}

func (k *socket) run() { k.conn.ReadLoop() }

func (k *socket) close() {
	t := time.NewTimer(time.Second)
	defer t.Stop()
	select {
	case k.turn <- struct{}{}:
		k.raw.hurried.Store(true)
		_ = k.conn.WriteClose(1000, nil)
		<-k.turn
	case <-t.C:
	}
	_ = k.raw.Close()
}

func (k *socket) OnMessage(_ *gws.Conn, m *gws.Message) {
	defer func() { _ = m.Close() }()
	if m.Opcode == gws.OpcodeText {
		k.l.received(m.Bytes())
	}
}

func (k *socket) OnClose(_ *gws.Conn, err error) {
	_ = k.raw.Close()
	code := wire.CloseAbnormal
	var closed *gws.CloseError
	if errors.As(err, &closed) {
		code = int(closed.Code)
	}
	k.l.ended(code, err)
}

// timed gives every write a deadline.
type timed struct {
	net.Conn
	hurried atomic.Bool // a last word: it may take no time
}

func (t *timed) Write(p []byte) (int, error) {
	limit := sendTimeout
	if t.hurried.Load() {
		limit = time.Second
	}
	if err := t.SetWriteDeadline(time.Now().Add(limit)); err != nil {
		return 0, err
	}
	return t.Conn.Write(p)
}

// quiet drops what the library would log: every end of a connection comes to OnClose.
type quiet struct{}

func (quiet) Error(...any) {}
