package deptest

// module is the path of the module whose arrows are held.
const module = "github.com/editlock/editlock"

// room is a folder of the project and what its production code may import. A folder ending in "/..."
// stands for everything below it; the longest match counts. Test files may import what they like,
// save that nothing imports cmd.
type room struct {
	folder string
	ours   []string // rooms of this module that it may import; "" is the root, package editlock
	never  []string // packages that it may not import directly, a trailing "/..." standing for all below
	suite  bool     // a test suite, which may import package testing
	why    string
}

// pure is what a room without I/O keeps away from.
var pure = []string{"context", "net/...", "os/...", "io/fs", "database/sql/...", "sync/...", "log/...", "math/rand/...", "crypto/rand", "flag", "runtime/..."}

// rooms is the picture of the architecture. Every package of the module is in one of them; a new one
// needs a line here, and a reason.
var rooms = []room{
	{folder: "", ours: []string{"lease", "store", "internal/latest"},
		never: []string{"net/...", "database/sql/...", "flag", "os/signal", "os/exec"},
		why:   "a Go program embeds it: it hosts the rules over a store and knows nothing of HTTP, SQL or flags"},
	{folder: "lease", never: pure,
		why: "all rules, pure: what depends on nothing can be simulated, replayed and proved"},
	{folder: "store", why: "the seam: it knows nothing of locks, so that an engine cannot get a rule wrong"},
	{folder: "store/storetest", ours: []string{"store"}, suite: true,
		why: "the one suite takes a constructor, so it needs no engine"},
	{folder: "store/...", ours: []string{"store"},
		why: "engine glue: no rule, and no engine leans on another"},
	{folder: "wire", never: []string{"context", "net", "os/...", "database/sql/...", "sync/...", "log/...", "math/rand/...", "crypto/rand", "flag"},
		why: "messages are values, the same for every transport and every language"},
	{folder: "server", ours: []string{"", "lease", "wire"}, never: []string{"database/sql/...", "flag"},
		why: "a door, not a rule; it serves a Manager over whichever store that has"},
	{folder: "client", ours: []string{"", "lease", "wire", "internal/latest"}, never: []string{"database/sql/...", "flag"},
		why: "a program that uses the client must not link the server"},
	{folder: "internal/latest", why: "news of which only the newest matters, the same for an embedded session and a remote one"},
	{folder: "guard", ours: []string{"", "lease", "wire"}, never: []string{"flag"},
		why: "an application that only checks saves must not link the server"},
	{folder: "metrics", ours: []string{"", "server", "store", "wire"}, never: []string{"net/...", "database/sql/...", "flag"},
		why: "counts what a Manager, a store and a server tell of themselves; whoever wants none of it links none of it"},
	{folder: "tracing", ours: []string{"", "lease", "server", "store", "wire"}, never: []string{"net", "database/sql/...", "flag"},
		why: "makes spans of what a Manager, a store and a server tell of themselves; whoever wants none of it links none of it"},
	{folder: "web/...", why: "files for the browser, embedded; whoever serves them imports it"},
	{folder: "cmd/editlock", ours: []string{"", "server", "client", "store", "store/...", "metrics", "tracing", "web", "wire", "internal/demo", "internal/bench"},
		why: "wiring only: flags, environment, file"},
	{folder: "internal/demo/...", ours: []string{"", "lease", "wire", "server", "store/sqlite", "web/...", "guard", "internal/demo/...", "examples/usual"},
		why: "the demo is an application that embeds editlock as any other would"},
	{folder: "internal/bench", ours: []string{"", "lease", "wire", "server", "store", "store/sqlite", "metrics"},
		why: "it measures the server over the default store"},
	{folder: "internal/again", suite: true, why: "runs the tests of a package under another condition; it knows nothing of them"},
	{folder: "internal/browser", suite: true, why: "drives a real browser for the tests of the pages"},
	{folder: "internal/swarm", ours: []string{"", "wire"}, why: "pages as Go programs, for tests: like any page they know the protocol alone"},
	{folder: "internal/sim/even", why: "writes the overlay with which a world's order is decided by its seed"},
	{folder: "internal/sim", ours: []string{"", "lease", "store", "store/mem"}, why: "the whole in virtual time, over a store and a network that fail"},
	{folder: "internal/proof", ours: []string{"", "wire", "server", "store/...", "internal/swarm"}, suite: true,
		why: "tries the whole thing with real processes and sockets"},
	{folder: "internal/asyncapi", ours: []string{"wire"}, why: "describes the messages, from their types alone"},
	{folder: "internal/sessiontest", ours: []string{""}, suite: true, why: "the one suite of sessions takes a constructor, so it needs neither network nor store"},
	{folder: "internal/openapi", ours: []string{"server"}, why: "it writes down what the server says of itself"},
	{folder: "internal/history", why: "it judges what clients saw, and knows nothing of the code that is tried"},
	{folder: "internal/nemesis", ours: []string{"", "lease", "wire", "store/sqlite", "internal/history"}, suite: true,
		why: "lets real clients and faults loose on the real command; of the library it uses the rules of belief, and at the end reads the data file"},
	{folder: "internal/deptest", why: "it looks at everything and touches nothing"},
	{folder: "scripts/...", why: "tools of the build"},
	{folder: "examples/...", ours: []string{"", "lease", "store", "store/...", "server", "client", "guard", "web", "wire", "examples/..."},
		why: "an example uses what its reader can use, nothing internal"},
}

// outside says which rooms may import a module that is not ours. One that is missing here may be imported by none.
var outside = map[string]struct {
	rooms []string
	why   string
}{
	"golang.org/x/text":                   {[]string{"lease", "server"}, "the canonical form of a resource's name is a rule; the patterns of rights are compared with it"},
	"github.com/go-json-experiment/json":  {[]string{"", "lease", "wire", "server", "client"}, "values only; encoding/json keeps no unknown members of a record and lets duplicate members of a frame pass"},
	"golang.org/x/sync":                   {[]string{"", "store", "server", "internal/demo/...", "internal/bench", "internal/nemesis"}, "errgroup and singleflight where goroutines are owned"},
	"golang.org/x/time":                   {[]string{"server", "client"}, "limits per connection belong to the door, and whoever comes in keeps them"},
	"golang.org/x/sys":                    {[]string{"store/...", "internal/nemesis"}, "locking a file is the engine's business"},
	"github.com/lxzan/gws":                {[]string{"server", "client", "internal/bench", "internal/swarm", "internal/nemesis", "internal/demo/...", "examples/..."}, "frames are known to the two ends of a socket; the bench and the usual design of the demo are such ends"},
	"github.com/golang-jwt/jwt":           {[]string{"wire", "server", "guard"}, "tokens are made and checked at the doors"},
	"github.com/MicahParks/jwkset":        {[]string{"wire"}, "keys are values of the protocol, whoever fetches them"},
	"modernc.org/sqlite":                  {[]string{"store/...", "internal/demo/...", "examples/..."}, "an embedder with another engine must not link SQLite"},
	"github.com/pressly/goose":            {[]string{"store/..."}, "schema versions are the engine's business"},
	"github.com/prometheus/client_golang": {[]string{"metrics", "cmd/editlock", "internal/bench"}, "the library tells what happens and knows no system that counts it"},
	"github.com/google/jsonschema-go":     {[]string{"internal/asyncapi", "server"}, "schemas are made from the types that are served, so that no document can go stale"},
	"go.opentelemetry.io/otel":            {[]string{"tracing", "cmd/editlock"}, "the library tells what happens and knows no system that traces it; where traces go is the command's business"},
	"github.com/anishathalye/porcupine":   {[]string{"internal/history"}, "judges whether a history is linearizable; for tests only"},
	"github.com/chromedp":                 {[]string{"internal/browser"}, "a browser is driven by tests only"},
	"github.com/alecthomas/kong":          {[]string{"cmd/editlock"}, "flags are the command's business"},
	"go.yaml.in/yaml":                     {[]string{"cmd/editlock"}, "the configuration file is the command's business"},
	"github.com/mattn/go-isatty":          {[]string{"cmd/editlock"}, "how to log is the command's business"},
}

// noClock are the functions of package time that read a clock or wait: the rules are told the time.
var noClock = []string{"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Sleep"}
