package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lxzan/gws"

	"github.com/editlock/editlock/wire"
)

// page is the other end of a socket, as small as it can be.
type page struct {
	gws.BuiltinEventHandler
	conn   *gws.Conn
	frames chan wire.Frame
	closed chan uint16 // the close code
}

func open(t *testing.T, s *service) *page {
	t.Helper()
	p := &page{frames: make(chan wire.Frame, 100), closed: make(chan uint16, 1)}
	conn, _, err := gws.NewClient(p, &gws.ClientOption{
		Addr:          "ws://" + s.addr + "/editlock/v1/socket",
		RequestHeader: http.Header{"Sec-WebSocket-Protocol": {wire.Subprotocol}},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.conn = conn
	go conn.ReadLoop()
	t.Cleanup(func() { _ = conn.NetConn().Close() })
	return p
}

func (p *page) OnClose(_ *gws.Conn, err error) {
	code := uint16(wire.CloseAbnormal)
	if c, ok := err.(*gws.CloseError); ok {
		code = c.Code
	}
	p.closed <- code
}

func (p *page) OnMessage(conn *gws.Conn, message *gws.Message) {
	defer func() { _ = message.Close() }()
	f, err := wire.DecodeReply(message.Bytes())
	if err != nil {
		return
	}
	if ping, ok := f.(*wire.Ping); ok {
		_ = p.write(&wire.Pong{Ping: ping.Ping})
		return
	}
	p.frames <- f
}

func (p *page) write(f wire.Frame) error {
	b, err := wire.Encode(f)
	if err != nil {
		return err
	}
	return p.conn.WriteMessage(gws.OpcodeText, b)
}

// next sends a frame, if there is one, and waits for one of kind T.
func next[T wire.Frame](t *testing.T, p *page, f wire.Frame) T {
	t.Helper()
	if f != nil {
		if err := p.write(f); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		select {
		case f := <-p.frames:
			if got, ok := f.(T); ok {
				return got
			}
			if e, ok := f.(*wire.Error); ok {
				t.Fatal(e)
			}
		case code := <-p.closed:
			if len(p.frames) > 0 { // which came before
				p.closed <- code
				continue
			}
			t.Fatalf("the connection was closed with %d", code)
		case <-ctx.Done():
			var none T
			t.Fatalf("no %T came", none)
			return none
		}
	}
}

func mint(t *testing.T, args ...string) string {
	t.Helper()
	status, stdout, stderr := run(t, []string{testKey}, append([]string{"token"}, args...)...)
	if status != 0 {
		t.Fatalf("token: status %d\n%s", status, stderr)
	}
	return strings.TrimSpace(stdout)
}

func hello(token string) *wire.Hello {
	return &wire.Hello{ID: 1, Token: token, Nonce: wire.NewNonce([16]byte{1, 2, 3})}
}

// What the command mints is what the server accepts, with the rights that were named and no others.
func TestTokenIsAccepted(t *testing.T) {
	s := serve(t)
	p := open(t, s)
	w := next[*wire.Welcome](t, p, hello(mint(t, "--sub=7", "--name=Ana", "--right=edit:article/*", "--ttl=10m")))
	if w.User.ID != "7" || w.User.Name != "Ana" {
		t.Errorf("the server takes the user for %+v", w.User)
	}
	if w.TokenExpiresIn < 500 || w.TokenExpiresIn > 600 {
		t.Errorf("the token expires in %v s, want 10 min", w.TokenExpiresIn)
	}
	ok := next[*wire.OK](t, p, &wire.Acquire{ID: 2, Target: wire.Target{Resource: "article/42"}})
	if ok.Snapshot == nil || ok.Snapshot.Mine == nil || ok.Snapshot.Mine.State != "granted" {
		t.Errorf("acquire was answered by %+v", ok.Snapshot)
	}
	if err := p.write(&wire.Acquire{ID: 3, Target: wire.Target{Resource: "invoice/1"}}); err != nil {
		t.Fatal(err)
	}
	for {
		f := <-p.frames
		if e, is := f.(*wire.Error); is && e.ID == 3 {
			if e.Code != wire.Forbidden {
				t.Errorf("a resource without the right: %s", e.Code)
			}
			break
		}
		if o, is := f.(*wire.OK); is && o.ID == 3 {
			t.Fatal("a resource without the right was granted")
		}
	}
	for _, path := range []string{"/healthz", "/readyz", "/editlock/readyz", "/editlock/editlock.js"} {
		if got := s.status(t, path); got != http.StatusOK {
			t.Errorf("%s: %d", path, got)
		}
	}
}

func TestTokenSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		env  []string
		args []string
		says string
	}{
		{nil, []string{"--sub=7"}, "access key is missing"},
		{[]string{testKey}, nil, "--sub"},
		{[]string{testKey}, []string{"--sub=7", "--right=article/*"}, "verb:pattern"},
		{[]string{testKey}, []string{"--sub=7", "--right=own:article/*"}, "verbs are edit, watch"},
		{[]string{testKey}, []string{"--sub=7", "--right=edit:**/42"}, "** only at the end"},
		{[]string{testKey}, []string{"--sub=7", "--right=edit:article/4*"}, "a whole segment"},
		{[]string{testKey}, []string{"--sub=7", "--right=edit:/article"}, "--right"},
		{[]string{testKey}, []string{"--sub=7", "--right=edt:article/*"}, "--right"},
		{[]string{testKey}, []string{"--sub=7", "--ttl=0s"}, "--ttl"},
		{[]string{testKey}, []string{"--sub=7", "--issuer="}, "--issuer"},
	} {
		status, stdout, stderr := run(t, c.env, append([]string{"token"}, c.args...)...)
		if status != exitUsage || stdout != "" || !strings.Contains(stderr, c.says) {
			t.Errorf("%q: status %d, does not say %q:\n%s%s", c.args, status, c.says, stdout, stderr)
		}
	}
	if _, help, _ := run(t, nil, "token", "--help"); !strings.Contains(strings.Join(strings.Fields(help), " "), "Without it, edit:**: every resource.") {
		t.Errorf("it does not say what a token without --right is for:\n%s", help)
	}
}

// A token of another issuer, or for another audience, is none.
func TestForeignTokenIsRefused(t *testing.T) {
	s := serve(t)
	for _, arg := range []string{"--issuer=other", "--audience=other"} {
		p := open(t, s)
		if err := p.write(hello(mint(t, "--sub=7", arg))); err != nil {
			t.Fatal(err)
		}
		select {
		case code := <-p.closed:
			if code != wire.CloseTokenRefused {
				t.Errorf("%s: closed with %d, want %d", arg, code, wire.CloseTokenRefused)
			}
		case <-time.After(patience):
			t.Errorf("%s: the connection stays", arg)
		}
	}
}

// Faults: N3
func TestTerminateDrains(t *testing.T) {
	t.Parallel()
	s := serve(t, "--drain=8s", "--log-format=json") // in which even a loaded machine answers three times
	p := open(t, s)
	next[*wire.Welcome](t, p, hello(mint(t, "--sub=7")))
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if move := next[*wire.Move](t, p, nil); move.Within <= 0 || move.Within > 8 {
		t.Errorf("told to move within %v s of a drain of 8", move.Within)
	}
	if got := s.status(t, "/readyz"); got != http.StatusServiceUnavailable {
		t.Errorf("/readyz while draining: %d", got)
	}
	if got := s.status(t, "/healthz"); got != http.StatusOK {
		t.Errorf("/healthz while draining: %d", got)
	}
	select {
	case code := <-p.closed:
		if code != wire.CloseRestart {
			t.Errorf("closed with %d, want %d", code, wire.CloseRestart)
		}
	case <-time.After(patience):
		t.Error("the connection was not closed")
	}
	if end := s.wait(t); end.ExitCode() != 0 {
		t.Errorf("ended with %v", end)
	}
	if !strings.Contains(s.said(), `"within":"8s"`) {
		t.Errorf("a duration in the log has no unit:\n%s", s.said())
	}
}

// A page that moved is not waited for: the drain is over when the last one has gone.
func TestDrainEndsWithTheLastPage(t *testing.T) {
	t.Parallel()
	s := serve(t, "--drain=30s")
	p := open(t, s)
	next[*wire.Welcome](t, p, hello(mint(t, "--sub=7")))
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	next[*wire.Move](t, p, nil)
	_ = p.conn.NetConn().Close()
	if end := s.wait(t); end.ExitCode() != 0 {
		t.Errorf("ended with %v", end)
	}
}

func TestSecondSignalStopsAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, "--drain=30s")
	p := open(t, s)
	next[*wire.Welcome](t, p, hello(mint(t, "--sub=7")))
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	next[*wire.Move](t, p, nil)
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if end := s.wait(t); end.ExitCode() == 0 {
		t.Errorf("ended with %v, as if it had drained", end)
	}
}

// A key from `editlock key` is one that serve takes, and no two are the same.
func TestKeyIsTaken(t *testing.T) {
	_, one, _ := run(t, nil, "key")
	_, two, _ := run(t, nil, "key")
	if one == two {
		t.Fatal("two keys are the same")
	}
	access, signing := file(t, "access.key", one), file(t, "signing.key", two)
	s := serve(t, "--key-file="+access, "--signing-key-file="+signing)
	status, token, stderr := run(t, nil, "token", "--key-file="+access, "--sub=7")
	if status != 0 {
		t.Fatal(stderr)
	}
	w := next[*wire.Welcome](t, open(t, s), hello(strings.TrimSpace(token)))
	if w.User.Name != "7" {
		t.Errorf("a user without a name is called %q", w.User.Name)
	}
}

// A key that is written to a file is for the owner alone, and an older one is never written over.
func TestKeyIsWrittenForItsOwnerAlone(t *testing.T) {
	dir := t.TempDir()
	access, signing := filepath.Join(dir, "access.key"), filepath.Join(dir, "signing.key")
	for _, path := range []string{access, signing} {
		if status, stdout, stderr := run(t, nil, "key", "--out="+path); status != 0 || stdout != "" {
			t.Fatalf("status %d\n%s%s", status, stdout, stderr)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	before, err := os.ReadFile(access)
	if err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := run(t, nil, "key", "--out="+access); status == 0 || !strings.Contains(stderr, "already") {
		t.Errorf("writes over a key: status %d\n%s", status, stderr)
	}
	if after, err := os.ReadFile(access); err != nil || string(after) != string(before) {
		t.Errorf("the key is another one now: %v", err)
	}
	if s := serve(t, "--key-file="+access, "--signing-key-file="+signing); strings.Contains(s.said(), "others can read") {
		t.Errorf("warns without need:\n%s", s.said())
	}
	if err := os.Chmod(access, 0o644); err != nil {
		t.Fatal(err)
	}
	s := serve(t, "--key-file="+access, "--signing-key-file="+signing)
	if said := s.said(); strings.Count(said, "others can read the file of the access key") != 1 || strings.Contains(said, "of the signing key") {
		t.Errorf("does not warn of the one file:\n%s", said)
	}
}

// The log has no token and no key, at whatever level.
func TestLogKeepsSecrets(t *testing.T) {
	s := serve(t, "--log-level=debug")
	token := mint(t, "--sub=7")
	p := open(t, s)
	w := next[*wire.Welcome](t, p, hello(token))
	ok := next[*wire.OK](t, p, &wire.Acquire{ID: 2, Target: wire.Target{Resource: "article/42"}})
	ok = next[*wire.OK](t, p, &wire.Confirm{ID: 3, Target: wire.Target{Resource: "article/42"}, Fence: ok.Snapshot.Mine.Fence})
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	next[*wire.Move](t, p, nil)
	_ = p.conn.NetConn().Close()
	s.wait(t)
	for _, secret := range []string{token, w.Resume, ok.Snapshot.Mine.Token, strings.TrimPrefix(testKey, "EDITLOCK_KEY="), strings.TrimPrefix(testSigning, "EDITLOCK_SIGNING_KEY=")} {
		if secret == "" {
			t.Error("there is no secret to look for")
		} else if strings.Contains(s.said(), secret) {
			t.Errorf("the log has %q:\n%s", secret, s.said())
		}
	}
}

// The script that an application serves itself is the one that the server has.
func TestScriptIsPrinted(t *testing.T) {
	for _, name := range []string{"editlock.js", "editlock.classic.js", "index.js"} {
		want, err := os.ReadFile(filepath.Join("..", "..", "web", "dist", name))
		if err != nil {
			t.Fatal(err)
		}
		if status, got, stderr := run(t, nil, "script", name); status != 0 || got != string(want) {
			t.Errorf("%s: status %d, %d bytes of %d\n%s", name, status, len(got), len(want), stderr)
		}
	}
	_, one, _ := run(t, nil, "script")
	if _, two, _ := run(t, nil, "script", "editlock.js"); one != two {
		t.Error("without a name it is not editlock.js")
	}
	if status, _, stderr := run(t, nil, "script", "none.js"); status != exitUsage || !strings.Contains(stderr, "editlock.classic.js") {
		t.Errorf("a script that is not there: status %d\n%s", status, stderr)
	}
}

// The data file is the service's alone.
func TestDataFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "locks.db")
	s := serve(t, "--store=sqlite:"+path)
	if !strings.Contains(s.said(), "created a new data file") {
		t.Errorf("does not say that it begins anew:\n%s", s.said())
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		t.Errorf("others can get at the data file: %v", info.Mode())
	}
}

// A start that cannot listen leaves nothing behind: tried again and again, it would fill the store with records of nodes.
func TestPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	path := filepath.Join(t.TempDir(), "locks.db")
	status, _, stderr := run(t, []string{testKey, testSigning}, "serve", "--listen="+taken.Addr().String(), "--store=sqlite:"+path)
	if status == 0 || !strings.Contains(stderr, "--listen") {
		t.Errorf("status %d\n%s", status, stderr)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("there is a data file: %v", err)
	}
}
