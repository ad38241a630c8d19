package server

import (
	"bufio"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lxzan/gws"
	"golang.org/x/time/rate"

	"github.com/editlock/editlock/wire"
)

// serveSocket upgrades a request to a WebSocket and returns; the connection goes on by itself, so that nothing
// of the HTTP server is kept for it.
func (s *Server) serveSocket(w http.ResponseWriter, r *http.Request) {
	if p := s.checkHandshake(r); p != nil {
		if p.Status == http.StatusUpgradeRequired {
			w.Header().Set("Sec-WebSocket-Version", "13")
			w.Header().Set("Upgrade", "websocket")
		}
		s.refuse(w, r, p)
		return
	}
	c, p := s.admit(r)
	if p != nil {
		s.refuse(w, r, p)
		return
	}
	if !s.upgrade(w, r, c) {
		c.leave()
	}
}

// admit gives a new connection its place, or says why it may not come.
func (s *Server) admit(r *http.Request) (*conn, *wire.Problem) {
	if s.draining.Load() {
		return nil, &wire.Problem{Status: http.StatusServiceUnavailable, Code: wire.ShuttingDown, Detail: "This server is about to stop. Connect again."}
	}
	addr := s.address(r)
	at, status, why := s.admission.enter(addr)
	if status != 0 {
		return nil, &wire.Problem{Status: status, Code: wire.RateLimited, Detail: why}
	}
	return &conn{
		srv: s, number: s.numbers.Add(1), addr: addr, place: at, opened: time.Now(),
		messages: rate.NewLimiter(rate.Limit(s.opts.Rate), s.opts.Burst),
		patience: rate.NewLimiter(1, refusals), out: outbox{limit: s.opts.Outbox},
	}, nil
}

// upgrade takes the connection over from the HTTP server and starts it.
func (s *Server) upgrade(w http.ResponseWriter, r *http.Request, c *conn) bool {
	raw, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.refuse(w, r, &wire.Problem{Status: http.StatusBadRequest, Code: wire.BadHandshake, Detail: "A WebSocket needs HTTP/1.1."})
		return false
	}
	if buffered.Reader.Buffered() > 0 {
		// Whatever follows a handshake before it is answered was put there by somebody who means to be misunderstood.
		_, _ = raw.Write([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
		_ = raw.Close()
		return false
	}
	// What was found in lists, the library looks for in the first one only.
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Sec-Websocket-Protocol", wire.Subprotocol)
	sock := newSocket(raw, c, s.opts)
	ws, err := s.upgrader.UpgradeFromConn(sock, bufio.NewReaderSize(sock, readBuffer), r)
	if err != nil {
		_ = raw.Close()
		return false
	}
	ws.Session().(*attachment).conn = c
	sock.ws, c.line = ws, sock
	if !s.adopt(c) {
		_ = raw.Close()
		return false
	}
	go c.run()
	return true
}

// readBuffer is small: most messages are a pong.
const readBuffer = 512

// attachment leads from a connection of the library to ours.
type attachment struct {
	gws.SessionStorage // nil: nothing is stored
	conn               *conn
}

func newUpgrader(o Options) *gws.Upgrader {
	return gws.NewUpgrader(handler{}, &gws.ServerOption{
		ReadMaxPayloadSize:  o.MaxMessage,
		ReadBufferSize:      readBuffer,
		WriteMaxPayloadSize: 16 << 20, // what we send is bounded elsewhere
		ParallelGolimit:     1,
		CheckUtf8Enabled:    true,
		SubProtocols:        []string{wire.Subprotocol},
		HandshakeTimeout:    o.WriteTimeout,
		Logger:              quiet{},
		NewSession:          func() gws.SessionStorage { return new(attachment) },
	})
}

// quiet drops what the library would log: every end of a connection comes to run.
type quiet struct{}

func (quiet) Error(...any) {}

// checkHandshake looks at everything before anything is answered.
func (s *Server) checkHandshake(r *http.Request) *wire.Problem {
	bad := func(detail string) *wire.Problem {
		return &wire.Problem{Status: http.StatusBadRequest, Code: wire.BadHandshake, Detail: detail}
	}
	for _, name := range []string{"Origin", "Upgrade", "Sec-Websocket-Key", "Sec-Websocket-Version"} {
		if len(r.Header.Values(name)) > 1 {
			return bad("The header " + name + " occurs twice.")
		}
	}
	if p := s.checkOrigin(r); p != nil {
		return p
	}
	key, err := base64.StdEncoding.Strict().DecodeString(r.Header.Get("Sec-Websocket-Key"))
	switch {
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return bad("A WebSocket needs HTTP/1.1.")
	case !hasToken(r.Header, "Connection", "upgrade") || !strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
		return bad("This address is for WebSockets. Does a proxy take the header Upgrade away?")
	case r.Header.Get("Sec-Websocket-Version") != "13":
		return &wire.Problem{Status: http.StatusUpgradeRequired, Code: wire.BadHandshake, Detail: "Only version 13 of WebSocket is spoken here."}
	case err != nil || len(key) != 16:
		return bad("Sec-WebSocket-Key must be 16 bytes in base64.")
	case r.ContentLength != 0 || len(r.TransferEncoding) > 0:
		return bad("A WebSocket handshake has no body.")
	case !hasToken(r.Header, "Sec-Websocket-Protocol", wire.Subprotocol):
		return bad("The subprotocol " + wire.Subprotocol + " must be offered.")
	}
	return nil
}

// checkOrigin refuses the pages of strangers.
func (s *Server) checkOrigin(r *http.Request) *wire.Problem {
	if s.originAllowed(r) {
		return nil
	}
	return &wire.Problem{Status: http.StatusForbidden, Code: wire.OriginForbidden,
		Detail: "Pages of the origin " + strings.ToValidUTF8(clip(r.Header.Get("Origin")), "?") + " may not connect. If they should, name it to the server by --origin (in Go: Options.Origins)."}
}

// maxStrangers is how many refused origins are told apart in the log.
const maxStrangers = 100

// strangers are the origins whose refusal was logged. Whoever mistyped a setting has to hear of it; whoever sends a
// thousand origins must fill neither the log nor the memory.
type strangers struct {
	mu   sync.Mutex
	seen map[string]struct{}
}

// meet says whether an origin is refused for the first time, and whether it is the last one that is noted.
func (s *strangers) meet(origin string) (first, last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.seen[origin]; known || len(s.seen) == maxStrangers {
		return false, false
	}
	if s.seen == nil {
		s.seen = map[string]struct{}{}
	}
	s.seen[origin] = struct{}{}
	return true, len(s.seen) == maxStrangers
}

// warnOfStranger logs the refusal of an origin, once for each.
func (s *Server) warnOfStranger(r *http.Request) {
	origin := clip(r.Header.Get("Origin"))
	first, last := s.strangers.meet(origin)
	if first {
		s.log.Warn("refused a page of an origin that is not allowed; if it is yours, allow it with --origin, and if a proxy is between, let it pass the header Host on",
			"origin", origin, "host", clip(r.Host), "from", r.RemoteAddr)
	}
	if last {
		s.log.Warn("further refused origins are logged at the level debug only")
	}
}

func (s *Server) originAllowed(r *http.Request) bool {
	values := r.Header.Values("Origin")
	if len(values) == 0 {
		return true // no browser
	}
	if slices.ContainsFunc(s.opts.Origins, func(o string) bool { return strings.EqualFold(o, values[0]) }) {
		return true
	}
	u, err := url.Parse(values[0])
	if err != nil || u.Host == "" || u.User != nil || !strings.EqualFold(u.Scheme+"://"+u.Host, values[0]) {
		return false
	}
	switch u.Scheme {
	case "https":
		return strings.EqualFold(u.Host, strings.TrimSuffix(r.Host, ":443"))
	case "http":
		return strings.EqualFold(u.Host, strings.TrimSuffix(r.Host, ":80"))
	}
	return false
}

// hasToken looks for a token in the comma-separated lists of a header.
func hasToken(h http.Header, name, token string) bool {
	for _, value := range h.Values(name) {
		for t := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.Trim(t, " \t"), token) {
				return true
			}
		}
	}
	return false
}
