// The real control plane: etcd, kube-apiserver, kube-controller-manager and kube-scheduler, in this process.
// Owns the API server's port and its stop and start; nothing here knows of pods or faults.
package main

import (
	"context"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/embed"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	cliflag "k8s.io/component-base/cli/flag"
	apiserverapp "k8s.io/kubernetes/cmd/kube-apiserver/app"
	apiserveroptions "k8s.io/kubernetes/cmd/kube-apiserver/app/options"
	managerapp "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	manageroptions "k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	schedulerapp "k8s.io/kubernetes/cmd/kube-scheduler/app"
	scheduleroptions "k8s.io/kubernetes/cmd/kube-scheduler/app/options"
	"k8s.io/kubernetes/pkg/controller/job"
)

// tokenIssuer is what the cluster's service-account tokens name as their issuer and audience.
const tokenIssuer = "https://kubernetes.default.svc"

// controllers are the loops of the controller manager that a batch, the chart and their clean-up need.
var controllers = []string{
	"job-controller", "cronjob-controller", "ttl-after-finished-controller",
	"garbage-collector-controller", "pod-garbage-collector-controller",
	"namespace-controller", "serviceaccount-controller", "serviceaccount-token-controller",
	"root-ca-certificate-publisher-controller", "clusterrole-aggregation-controller",
	"node-lifecycle-controller", "taint-eviction-controller", "disruption-controller",
	"resourcequota-controller", "deployment-controller", "replicaset-controller",
	"endpoints-controller", "endpointslice-controller",
	"persistentvolume-binder-controller", "persistentvolumeclaim-protection-controller",
}

// auditPolicy writes down who called what from outside, so that tests can count calls. The cluster's own parts
// are left out.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
  - level: None
    userGroups: ["system:nodes"]
  - level: None
    users: ["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler", "control-plane"]
  - level: None
    userGroups: ["system:serviceaccounts:kube-system"]
  - level: Metadata
`

// startEtcd opens the cluster's store in dir and returns its address.
func startEtcd(dir, log string) (*embed.Etcd, string, error) {
	config := embed.NewConfig()
	config.Dir = dir
	config.LogOutputs = []string{log}
	config.LogLevel = "error"
	// A test's data needs to outlive this process, not a power cut.
	config.UnsafeNoFsync = true
	anyPort := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{anyPort}, []url.URL{anyPort}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{anyPort}, []url.URL{anyPort}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	store, err := embed.StartEtcd(config)
	if err != nil {
		return nil, "", err
	}
	select {
	case <-store.Server.ReadyNotify():
	case <-time.After(60 * time.Second):
		store.Close()
		return nil, "", fmt.Errorf("etcd was not ready within a minute")
	}
	return store, "http://" + store.Clients[0].Addr().String(), nil
}

// apiServer is one kube-apiserver that can be stopped as if it were killed, and started again on the same port.
type apiServer struct {
	data  string
	etcd  string
	certs *authority
	port  int
	pods  string // socket of the way to pods, see network.go

	mu       sync.Mutex
	stopping context.CancelFunc // nil while it is down
	listener *openDoor
	ended    chan error
}

func (s *apiServer) address() string { return fmt.Sprintf("https://127.0.0.1:%d", s.port) }

func (s *apiServer) running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping != nil
}

// start runs the API server and returns once it says that it is ready.
func (s *apiServer) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping != nil {
		return nil
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
	if err != nil {
		return fmt.Errorf("the API server's port: %w", err)
	}
	s.port = listener.Addr().(*net.TCPAddr).Port
	door := newOpenDoor(listener)
	options, err := s.options(door)
	if err != nil {
		listener.Close()
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	completed, err := options.Complete(ctx)
	if err == nil {
		err = utilerrors.NewAggregate(completed.Validate())
	}
	if err != nil {
		cancel()
		listener.Close()
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- apiserverapp.Run(ctx, completed) }()
	s.stopping, s.listener, s.ended = cancel, door, ended
	if err := s.waitUntilReady(ended); err != nil {
		cancel()
		door.slam()
		s.stopping = nil
		return err
	}
	return nil
}

func (s *apiServer) waitUntilReady(ended chan error) error {
	config, err := s.certs.identity(s.address(), "admin-inside", "control-plane", "system:masters")
	if err != nil {
		return err
	}
	config.Timeout = 5 * time.Second
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	var last error
	for deadline := time.Now().Add(4 * time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		select {
		case err := <-ended:
			return fmt.Errorf("the API server ended: %w", err)
		default:
		}
		if _, last = client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(context.Background()); last == nil {
			return nil
		}
	}
	return fmt.Errorf("the API server was not ready within four minutes: %w", last)
}

// stop ends the API server as a kill does: the port closes and every connection breaks at once.
func (s *apiServer) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping == nil {
		return
	}
	s.listener.slam()
	s.stopping()
	select {
	case <-s.ended:
	case <-time.After(90 * time.Second):
	}
	s.stopping = nil
}

func (s *apiServer) options(listener net.Listener) (*apiserveroptions.ServerRunOptions, error) {
	if err := s.certs.signForYears("apiserver-inside", pkix.Name{CommonName: "kube-apiserver"}, internalName); err != nil {
		return nil, err
	}
	if err := s.certs.signForYears("apiserver-to-kubelet", pkix.Name{CommonName: "kube-apiserver-kubelet-client"}); err != nil {
		return nil, err
	}
	if _, err := s.certs.keyOf("service-accounts"); err != nil {
		return nil, err
	}
	policy, egress := filepath.Join(s.data, "audit-policy.yaml"), filepath.Join(s.data, "egress.yaml")
	if err := writeWhole(policy, []byte(auditPolicy)); err != nil {
		return nil, err
	}
	if err := writeWhole(egress, []byte(fmt.Sprintf(egressConfig, s.pods))); err != nil {
		return nil, err
	}
	options := apiserveroptions.NewServerRunOptions()
	options.SecureServing.Listener = listener
	file := s.certs.file
	return options, parse(options.Flags(), []string{
		"--etcd-servers=" + s.etcd,
		fmt.Sprintf("--secure-port=%d", s.port),
		"--bind-address=127.0.0.1",
		"--tls-cert-file=" + file("apiserver.crt"),
		"--tls-private-key-file=" + file("apiserver.key"),
		"--tls-sni-cert-key=" + file("apiserver-inside.crt") + "," + file("apiserver-inside.key"),
		"--client-ca-file=" + file("ca.crt"),
		"--kubelet-certificate-authority=" + file("ca.crt"),
		"--kubelet-client-certificate=" + file("apiserver-to-kubelet.crt"),
		"--kubelet-client-key=" + file("apiserver-to-kubelet.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--egress-selector-config-file=" + egress,
		"--authorization-mode=Node,RBAC",
		"--allow-privileged",
		"--enable-admission-plugins=NodeRestriction",
		"--service-account-issuer=" + tokenIssuer,
		"--service-account-signing-key-file=" + file("service-accounts.key"),
		"--service-account-key-file=" + file("service-accounts.key"),
		"--service-cluster-ip-range=10.96.0.0/16",
		// Loopback is no address to publish as the service "kubernetes".
		"--endpoint-reconciler-type=none",
		"--default-not-ready-toleration-seconds=3",
		"--default-unreachable-toleration-seconds=3",
		"--audit-policy-file=" + policy,
		"--audit-log-path=" + filepath.Join(s.data, "audit.log"),
	})
}

// startControllers runs the controller manager until the context ends. A failure ends the program.
func startControllers(ctx context.Context, kubeconfig string, certs *authority, jobBackoff time.Duration, failed chan<- error) error {
	job.DefaultJobPodFailureBackOff = jobBackoff
	options, err := manageroptions.NewKubeControllerManagerOptions()
	if err != nil {
		return err
	}
	all, off, aliases := managerapp.KnownControllers(), managerapp.ControllersDisabledByDefault(), managerapp.ControllerAliases()
	flags := options.Flags(all, off, aliases)
	options.ParsedFlags = &flags
	if err := parse(flags, []string{
		"--kubeconfig=" + kubeconfig,
		"--controllers=" + strings.Join(controllers, ","),
		"--use-service-account-credentials",
		"--service-account-private-key-file=" + certs.file("service-accounts.key"),
		"--root-ca-file=" + certs.file("ca.crt"),
		"--leader-elect=false",
		"--secure-port=0",
		// A lost node is noticed within seconds, not the usual minute: tests wait for it.
		"--node-monitor-period=1s",
		"--node-monitor-grace-period=8s",
		"--node-startup-grace-period=10s",
	}); err != nil {
		return err
	}
	config, err := options.Config(ctx, all, off, aliases)
	if err != nil {
		return err
	}
	go func() {
		if err := managerapp.Run(ctx, config.Complete()); err != nil && ctx.Err() == nil {
			failed <- fmt.Errorf("the controller manager ended: %w", err)
		}
	}()
	return nil
}

// startScheduler runs the scheduler until the context ends. A failure ends the program.
func startScheduler(ctx context.Context, kubeconfig string, failed chan<- error) error {
	options := scheduleroptions.NewOptions()
	if err := parse(*options.Flags, []string{
		"--kubeconfig=" + kubeconfig,
		"--leader-elect=false",
		"--secure-port=0",
	}); err != nil {
		return err
	}
	config, scheduler, err := schedulerapp.Setup(ctx, options)
	if err != nil {
		return err
	}
	go func() {
		if err := schedulerapp.Run(ctx, config, scheduler); err != nil && ctx.Err() == nil {
			failed <- fmt.Errorf("the scheduler ended: %w", err)
		}
	}()
	return nil
}

// parse reads flags as the component's own command line would.
func parse(named cliflag.NamedFlagSets, arguments []string) error {
	flags := pflag.NewFlagSet("control-plane", pflag.ContinueOnError)
	for _, set := range named.FlagSets {
		flags.AddFlagSet(set)
	}
	return flags.Parse(arguments)
}

// openDoor is a listener that can break all that came in through it. The API server would panic if its listener
// failed by itself, so a slammed door keeps it waiting until it closes the door in its own shutdown.
type openDoor struct {
	net.Listener
	closed chan struct{}
	once   sync.Once

	mu   sync.Mutex
	open map[net.Conn]bool
	shut bool
}

type visitor struct {
	net.Conn
	door *openDoor
}

func newOpenDoor(listener net.Listener) *openDoor {
	return &openDoor{Listener: listener, closed: make(chan struct{}), open: map[net.Conn]bool{}}
}

func (d *openDoor) Accept() (net.Conn, error) {
	conn, err := d.Listener.Accept()
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil && !d.shut {
		d.open[conn] = true
		return &visitor{conn, d}, nil
	}
	if err == nil {
		conn.Close()
		err = net.ErrClosed
	}
	if d.shut {
		d.mu.Unlock()
		<-d.closed
		d.mu.Lock()
	}
	return nil, err
}

func (d *openDoor) Close() error {
	d.once.Do(func() { close(d.closed) })
	return d.Listener.Close()
}

func (v *visitor) Close() error {
	v.door.mu.Lock()
	delete(v.door.open, v.Conn)
	v.door.mu.Unlock()
	return v.Conn.Close()
}

func (d *openDoor) slam() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut = true
	d.Listener.Close()
	for conn := range d.open {
		conn.Close()
	}
}

// adminConfig is how this program itself calls the API server.
func (s *apiServer) adminConfig() (*rest.Config, error) {
	return s.certs.identity(s.address(), "admin-inside", "control-plane", "system:masters")
}

// portOf remembers the port in the data folder, so that a restart answers where it answered before.
func portOf(file string) int {
	var port int
	if bytes, err := os.ReadFile(file); err == nil {
		fmt.Sscanf(string(bytes), "%d", &port)
	}
	return port
}
