//go:build !mutants

package lease

// mutant names the known bug that the rules have: none, but in the simulation's build. See internal/sim.
const mutant = ""
