package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/metrics"
	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/mem"
	"github.com/editlock/editlock/store/sqlite"
)

// scrape is what Prometheus would be given.
func scrape(t testing.TB, reg *prometheus.Registry) string {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(reg, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	text, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != 200 {
		t.Fatal(w.Code, err)
	}
	return string(text)
}

var sample = regexp.MustCompile(`(?m)^([a-z_]+(?:\{[^}]*\})?) (\S+)$`)

// values are the samples of a scrape, by name with labels.
func values(t testing.TB, text string) map[string]float64 {
	t.Helper()
	all := map[string]float64{}
	for _, m := range sample.FindAllStringSubmatch(text, -1) {
		v, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			t.Fatal(m[0], err)
		}
		all[m[1]] = v
	}
	return all
}

func counted(t testing.TB, st store.Store) (*prometheus.Registry, *metrics.Metrics, *editlock.Manager) {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	counts, err := metrics.New(reg)
	if err != nil {
		t.Fatal(err)
	}
	m, err := editlock.Open(context.Background(), counts.Store(st), editlock.Config{Observer: counts.Observer(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	counts.Manager(m)
	return reg, counts, m
}

func session(t testing.TB, m *editlock.Manager, user string) editlock.Session {
	t.Helper()
	s, err := m.Session(t.Context(), editlock.User{ID: user, Name: user})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCounts(t *testing.T) {
	st, err := sqlite.Open(filepath.Join(t.TempDir(), "locks.db"), sqlite.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	reg, _, m := counted(t, st)
	ana, ben := session(t, m, "ana"), session(t, m, "ben")
	lock, err := ana.Acquire(t.Context(), "article/42")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ben.Try(t.Context(), "article/42"); !errors.Is(err, editlock.ErrLocked) {
		t.Fatal(err)
	}
	watched, err := ana.Watch(t.Context(), "article/42")
	if err != nil {
		t.Fatal(err)
	}
	let := make(chan error, 1)
	go func() {
		_, err := ben.Acquire(t.Context(), "article/42")
		let <- err
	}()
	for s := range watched {
		if s.Waiting == 1 {
			break
		}
	}
	got := values(t, scrape(t, reg))
	for name, want := range map[string]float64{
		`editlock_locks{state="held"}`: 1, `editlock_waiting`: 1, `editlock_queue_longest`: 1, `editlock_sessions`: 2, `editlock_sessions_connected`: 2,
		`editlock_node_vouches`: 1, `editlock_node_draining`: 0,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if err := lock.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-let; err != nil {
		t.Fatal(err)
	}
	got = values(t, scrape(t, reg))
	for name, want := range map[string]float64{
		`editlock_acquires_total{outcome="granted"}`: 1, `editlock_acquires_total{outcome="locked"}`: 1, `editlock_acquires_total{outcome="queued"}`: 1,
		`editlock_grants_total`: 2, `editlock_wait_seconds_count`: 1, `editlock_hold_seconds_count`: 1,
		`editlock_releases_total{reason="released"}`: 1, `editlock_releases_total{reason="expired"}`: 0, `editlock_panics_total`: 0,
		`editlock_locks{state="held"}`: 1, `editlock_waiting`: 0, `editlock_queue_longest`: 0,
	} {
		if v, there := got[name]; v != want || !there {
			t.Errorf("%s is %v, want %v", name, v, want)
		}
	}
	if n := got[`editlock_store_duration_seconds_count{call="apply"}`]; n < 4 || got["editlock_store_batch_groups_count"] != n {
		t.Errorf("%v calls that write, %v batches", n, got["editlock_store_batch_groups_count"])
	}
}

// failing is a store whose calls fail as it is told.
type failing struct {
	store.Store
	err error
}

func (f failing) Get(context.Context, string) (store.Record, error) { return store.Record{}, f.err }
func (f failing) Apply(context.Context, []store.Group) ([]store.Result, error) {
	if errors.Is(f.err, store.ErrConflict) {
		return []store.Result{{Err: f.err}, {Rev: 7}}, nil
	}
	return nil, f.err
}

func TestErrorsOfTheStore(t *testing.T) {
	reg := prometheus.NewRegistry()
	counts, err := metrics.New(reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		store.ErrNotFound, fmt.Errorf("%w: hanging", store.ErrUnavailable), fmt.Errorf("%w %w", store.ErrBroken, store.ErrUnknown), store.ErrConflict, errors.New("?"),
	} {
		st := counts.Store(failing{mem.New(), err})
		if _, got := st.Get(t.Context(), "k"); !errors.Is(got, err) {
			t.Errorf("%v became %v", err, got)
		}
		_, _ = st.Apply(t.Context(), make([]store.Group, 2))
	}
	got := values(t, scrape(t, reg))
	for name, want := range map[string]float64{
		`{call="get",error="unavailable"}`: 1, `{call="get",error="unknown"}`: 1, `{call="get",error="broken"}`: 0, `{call="get",error="other"}`: 1,
		`{call="apply",error="conflict"}`: 1, `{call="apply",error="unavailable"}`: 1,
	} {
		if got["editlock_store_errors_total"+name] != want {
			t.Errorf("%s is %v, want %v", name, got["editlock_store_errors_total"+name], want)
		}
	}
	if got[`editlock_store_duration_seconds_count{call="get"}`] != 5 || got[`editlock_store_batch_groups_sum`] != 10 {
		t.Errorf("%v", got)
	}
}

// Neither the number of series nor any label tells of resources, sessions or users.
func TestLabelsAreFew(t *testing.T) {
	reg, _, m := counted(t, mem.New())
	before := slices.Sorted(maps.Keys(values(t, scrape(t, reg))))
	for i := range 50 {
		s := session(t, m, fmt.Sprint("secretive-user-", i))
		for j := range 3 {
			if _, err := s.Try(t.Context(), fmt.Sprintf("secretive/%d/%d", i%20, j)); err != nil && !errors.Is(err, editlock.ErrLocked) {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	text := scrape(t, reg)
	if strings.Contains(text, "secretive") {
		t.Errorf("a name is in the metrics:\n%s", text)
	}
	if after := slices.Sorted(maps.Keys(values(t, text))); !slices.Equal(before, after) || len(after) < 100 {
		t.Errorf("the series were\n%v, and are now\n%v", before, after)
	}
	allowed := regexp.MustCompile(`^(outcome|reason|result|cause|call|error|state|le|version|revision|goversion)$`)
	for _, m := range regexp.MustCompile(`[{,]([a-z_]+)="`).FindAllStringSubmatch(text, -1) {
		if !allowed.MatchString(m[1]) {
			t.Errorf("there is a label %s: is it one of few values, all known?", m[1])
		}
	}
}

// Names and units are as Prometheus' own linter wants them, and registering twice is refused.
func TestNamesFollowTheConventions(t *testing.T) {
	reg, _, _ := counted(t, mem.New())
	problems, err := promlint.New(strings.NewReader(scrape(t, reg))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	if _, err := metrics.New(reg); err == nil {
		t.Error("registered twice")
	}
}
