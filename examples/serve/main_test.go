package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/editlock/editlock/internal/swarm"
	"github.com/editlock/editlock/wire"
)

// started builds the example, runs it on a free port, and returns its address as it prints it.
func started(t *testing.T) (base string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "serve")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(program, "-addr", "127.0.0.1:0")
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines, ended := make(chan string), make(chan struct{})
	go func() {
		defer close(ended)
		for scan := bufio.NewScanner(said); scan.Scan(); {
			select {
			case lines <- scan.Text():
			case <-t.Context().Done():
			}
		}
	}()
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		late := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
		defer late.Stop()
		<-ended
		if err := cmd.Wait(); err != nil {
			t.Errorf("it did not end as it should: %v", err)
		}
	})
	printed := regexp.MustCompile(`open (http://localhost:\d+)/\?user=Ana and (http://localhost:\d+)/\?user=Ben$`)
	for {
		select {
		case line := <-lines:
			if m := printed.FindStringSubmatch(line); m != nil {
				return m[1]
			}
			t.Log(line)
		case <-ended:
			t.Fatal("it ended")
		case <-time.After(30 * time.Second):
			t.Fatal("it prints no address")
		}
	}
}

// ask gives status and body of an answer; a redirect is not followed.
func ask(t *testing.T, method, address string, form url.Values) (int, string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return do(t, &client, q)
}

// load is how a page of a new holder is fetched again.
func load(t *testing.T, address, proof string) (int, string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set(wire.Header, proof)
	return do(t, http.DefaultClient, q)
}

func do(t *testing.T, client *http.Client, q *http.Request) (int, string) {
	t.Helper()
	a, err := client.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Body.Close() }()
	body, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, string(body)
}

// opened opens the page as a user, and asks for the lock.
func opened(ctx context.Context, t *testing.T, base, user string) *swarm.Page {
	t.Helper()
	status, text := ask(t, http.MethodGet, base+"/?user="+user, nil)
	if status != http.StatusOK || !strings.Contains(text, `auth-url="/lock-token?user=`+user+`"`) || !strings.Contains(text, `resource="article/42"`) {
		t.Fatalf("%d %s", status, text)
	}
	status, token := ask(t, http.MethodGet, base+"/lock-token?user="+user, nil)
	if status != http.StatusOK {
		t.Fatal(status, token)
	}
	p, err := swarm.Open(ctx, base+"/editlock", token)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Drop)
	if _, err := p.Acquire(ctx, resource, true); err != nil {
		t.Fatal(err)
	}
	return p
}

func granted(ctx context.Context, t *testing.T, p *swarm.Page) int64 {
	t.Helper()
	fence, err := p.AwaitHeld(ctx, resource)
	if err != nil {
		t.Fatal(err)
	}
	return fence
}

// The example as its comment says it is used, by two people: the first edits, the second waits; who holds saves, and nobody else.
func TestTwoPeople(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	base := started(t)
	open := func(user string) *swarm.Page { return opened(ctx, t, base, user) }
	held := func(p *swarm.Page) int64 { return granted(ctx, t, p) }
	save := func(user, text, token string) (int, string) {
		t.Helper()
		form := url.Values{"text": {text}}
		if token != "" {
			form.Set(wire.Field, token)
		}
		return ask(t, http.MethodPost, base+"/?user="+user, form)
	}
	refused := func(status int, body string, want int, code wire.Code, holder string) {
		t.Helper()
		var p struct {
			Code   wire.Code
			Holder *struct{ Name string }
		}
		err := json.Unmarshal([]byte(body), &p)
		if err != nil || status != want || p.Code != code || holder != "" && (p.Holder == nil || p.Holder.Name != holder) {
			t.Errorf("%d %s (%v), not %d %s", status, body, err, want, code)
		}
	}
	shows := func(text, version string) {
		t.Helper()
		if _, page := ask(t, http.MethodGet, base+"/?user=Ben", nil); !strings.Contains(page, text) || !strings.Contains(page, `version="`+version+`"`) {
			t.Errorf("no %q of version %s: %s", text, version, page)
		}
	}

	if status, script := ask(t, http.MethodGet, base+"/static/editlock.js", nil); status != http.StatusOK || !strings.Contains(script, "edit-lock") {
		t.Errorf("script: %d", status)
	}
	ana := open("Ana")
	fence := held(ana)
	ben := open("Ben")
	if s, err := ben.Await(ctx, resource, func(s wire.Snapshot) bool { return s.Mine != nil && s.Mine.State == "waiting" }); err != nil || s.Holder == nil || s.Holder.Name != "Ana" || s.Mine.Position != 1 {
		t.Fatalf("%+v %v", s, err)
	}

	status, body := save("Ben", "Ben was here", "")
	refused(status, body, http.StatusLocked, wire.Locked, "Ana")
	proof := ana.LockToken(resource)
	status, body = save("Ben", "Ben was here", proof) // copied
	refused(status, body, http.StatusLocked, wire.Locked, "Ana")
	shows("Once upon a time", "1")
	if status, body = save("Ana", "Ana was here", proof); status != http.StatusSeeOther {
		t.Fatal(status, body)
	}
	shows("Ana was here", "2")

	if _, err := ana.Release(ctx, resource, fence, "2"); err != nil {
		t.Fatal(err)
	}
	if next := held(ben); next <= fence {
		t.Errorf("fence %d after %d", next, fence)
	}
	if status, page := load(t, base+"/?user=Ben", ben.LockToken(resource)); status != http.StatusOK || !strings.Contains(page, "Ana was here") {
		t.Errorf("Ben is shown %d %s", status, page)
	}
	if v := ben.Now(resource).Version; v != "2" {
		t.Errorf("Ben is told of version %q", v)
	}
	status, body = save("Ana", "Ana was late", proof)
	refused(status, body, http.StatusLocked, wire.Locked, "Ben")
	if status, body = save("Ben", "Ben was here", ben.LockToken(resource)); status != http.StatusSeeOther {
		t.Fatal(status, body)
	}
	shows("Ben was here", "3")
	if _, err := ben.Release(ctx, resource, ben.Fence(resource), "3"); err != nil {
		t.Fatal(err)
	}
	status, body = save("Ana", "Ana was late", proof) // nobody holds now, but she did once
	refused(status, body, http.StatusConflict, wire.StaleFence, "")
	shows("Ben was here", "3")
}

// slowBody is a form that is under way for as long as it likes: nothing of it is sent before it is asked for, and nothing
// after that before the test says so.
type slowBody struct {
	io.Reader
	asked, sent chan struct{}
	once        sync.Once
}

func (b *slowBody) Read(p []byte) (int, error) {
	b.once.Do(func() { close(b.asked) })
	<-b.sent
	return b.Reader.Read(p)
}

// A save that the guard let pass is under way; its author lets go, the next one is granted and shown the text, and has
// written nothing yet. What that one was shown stays.
// Faults: B10
func TestLateSaveAfterTheNextOneHasLoaded(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	base := started(t)
	ana := opened(ctx, t, base, "Ana")
	fence := granted(ctx, t, ana)
	first := ana.LockToken(resource)
	if status, page := load(t, base+"/?user=Ana", first); status != http.StatusOK {
		t.Fatal(status, page)
	}

	form := url.Values{"text": {"Ana was late"}}.Encode()
	body := &slowBody{Reader: strings.NewReader(form), asked: make(chan struct{}), sent: make(chan struct{})}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/?user=Ana", body)
	if err != nil {
		t.Fatal(err)
	}
	q.ContentLength = int64(len(form))
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.Header.Set("Expect", "100-continue") // it is asked for when it is read, and that is when the guard has let it pass
	q.Header.Set(wire.Header, first)
	type answer struct {
		status int
		err    error
	}
	answered := make(chan answer, 1)
	go func() {
		transport := &http.Transport{ExpectContinueTimeout: time.Minute}
		defer transport.CloseIdleConnections()
		a, err := transport.RoundTrip(q)
		if err != nil {
			answered <- answer{0, err}
			return
		}
		_ = a.Body.Close()
		answered <- answer{a.StatusCode, nil}
	}()
	select {
	case <-body.asked:
	case a := <-answered:
		t.Fatalf("the save did not get as far as its body: %+v", a)
	case <-ctx.Done():
		t.Fatal("nobody reads the save")
	}

	if _, err := ana.Release(ctx, resource, fence, ""); err != nil {
		t.Fatal(err)
	}
	ben := opened(ctx, t, base, "Ben")
	granted(ctx, t, ben)
	status, page := load(t, base+"/?user=Ben", ben.LockToken(resource))
	if status != http.StatusOK || !strings.Contains(page, "Once upon a time") {
		t.Fatal(status, page)
	}
	close(body.sent)
	if a := <-answered; a.status != http.StatusConflict {
		t.Errorf("the late save: %+v, not 409", a)
	}
	if status, page := load(t, base+"/?user=Ben", ben.LockToken(resource)); status != http.StatusOK || !strings.Contains(page, "Once upon a time") {
		t.Errorf("Ben was shown what is not there any more: %d %s", status, page)
	}
	if status, page := load(t, base+"/?user=Ana", first); status != http.StatusLocked {
		t.Errorf("Ana loads as if she held: %d %s", status, page)
	}
}
