// Package substitute makes images of nginx and Prometheus from Debian's
// packages, for docker-compose.yml where no registry can be reached.
//
// Invariants:
//   - No package is installed, since that would start servers on this machine:
//     it is downloaded and unpacked into a git-ignored folder, once.
//   - An image holds one program and the libraries that it is linked with, and
//     is used as the official one is: the program is on PATH and is the entry
//     point, and Prometheus runs as nobody, whom the folder of its data belongs to.
//   - An image that the environment names is left at that.
package substitute
