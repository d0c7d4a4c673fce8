// The test kubelet of one node: registers it, keeps its lease and status fresh, watches the pods bound to it and
// gives each a podRun. It calls the API server as a real node does (system:node:NAME), so it sees only what its
// pods need.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
)

// nodeAddress is every node's InternalIP: they all are this computer.
const nodeAddress = "127.0.0.1"

type node struct {
	cluster  *cluster
	name     string
	index    int
	dir      string
	client   kubernetes.Interface
	recorder record.EventRecorder
	port     int // of the kubelet's own server

	mu     sync.Mutex
	pods   map[types.UID]*podRun
	ips    int
	cancel context.CancelFunc // nil while the node is gone
	idle   chan struct{}      // closed when the loops of the last start have ended
}

func newNode(c *cluster, index int) (*node, error) {
	n := &node{
		cluster: c, index: index, name: fmt.Sprintf("node-%d", index), pods: map[types.UID]*podRun{},
	}
	n.dir = filepath.Join(c.settings.data, "nodes", n.name)
	config, err := c.server.certs.identity(c.server.address(), n.name, "system:node:"+n.name, "system:nodes")
	if err != nil {
		return nil, err
	}
	if n.client, err = kubernetes.NewForConfig(config); err != nil {
		return nil, err
	}
	broadcaster := record.NewBroadcaster()
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: n.client.CoreV1().Events("")})
	n.recorder = broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "kubelet", Host: n.name})
	return n, n.serve()
}

func (n *node) capacity() corev1.ResourceList {
	s := n.cluster.settings
	return corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse(s.cpu),
		corev1.ResourceMemory:           resource.MustParse(s.memory),
		corev1.ResourceEphemeralStorage: resource.MustParse("100Gi"),
		corev1.ResourcePods:             *resource.NewQuantity(int64(s.pods), resource.DecimalSI),
		gpuResource:                     *resource.NewQuantity(int64(s.gpus), resource.DecimalSI),
	}
}

const gpuResource = corev1.ResourceName("nvidia.com/gpu")

// start brings the node up: it registers, and its loops run until stop. Pods that ran before it went down and
// whose processes are gone are reported as lost.
func (n *node) start() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cancel != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel, n.idle = cancel, make(chan struct{})
	var loops sync.WaitGroup
	loops.Go(func() { n.repeat(ctx, 2*time.Second, n.renewLease) })
	loops.Go(func() { n.repeat(ctx, 5*time.Second, n.register) })
	loops.Go(func() { n.watchPods(ctx) })
	loops.Go(func() { n.watchMemory(ctx) })
	go func() {
		loops.Wait()
		close(n.idle)
	}()
}

// stop takes the node away from the cluster. Its processes end with it as in a power cut, or go on, as when only
// its network is cut.
func (n *node) stop(keepProcesses bool) {
	n.mu.Lock()
	cancel, idle := n.cancel, n.idle
	n.cancel = nil
	n.mu.Unlock()
	if cancel != nil {
		cancel()
		<-idle
	}
	if !keepProcesses {
		for _, p := range n.all() {
			p.vanish()
		}
		for len(n.all()) > 0 {
			time.Sleep(20 * time.Millisecond)
		}
	}
}

func (n *node) online() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cancel != nil
}

func (n *node) all() []*podRun {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []*podRun
	for _, p := range n.pods {
		list = append(list, p)
	}
	return list
}

func (n *node) find(namespace, name string) *podRun {
	for _, p := range n.all() {
		if p.pod.Namespace == namespace && p.pod.Name == name {
			return p
		}
	}
	return nil
}

func (n *node) forget(p *podRun) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.pods, p.pod.UID)
}

func (n *node) podDir(pod *corev1.Pod) string { return filepath.Join(n.dir, "pods", string(pod.UID)) }

func (n *node) nextAddress() string {
	n.ips++
	return fmt.Sprintf("%s%d.%d", podNetwork, n.index, 1+n.ips%254)
}

// repeat does something at once and then again and again; what fails is tried again soon.
func (n *node) repeat(ctx context.Context, every time.Duration, what func(context.Context) error) {
	for {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		err := what(call)
		cancel()
		wait := every
		if err != nil {
			wait = 500 * time.Millisecond
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func (n *node) renewLease(ctx context.Context) error {
	leases := n.client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	now, seconds := metav1.NowMicro(), int32(40)
	lease, err := leases.Get(ctx, n.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = leases.Create(ctx, &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: n.name},
			Spec:       coordinationv1.LeaseSpec{HolderIdentity: &n.name, LeaseDurationSeconds: &seconds, RenewTime: &now},
		}, metav1.CreateOptions{})
		return err
	}
	if err != nil {
		return err
	}
	lease.Spec.RenewTime = &now
	_, err = leases.Update(ctx, lease, metav1.UpdateOptions{})
	return err
}

// register makes the node where it is missing and says that it is ready.
func (n *node) register(ctx context.Context) error {
	nodes := n.client.CoreV1().Nodes()
	current, err := nodes.Get(ctx, n.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		labels := map[string]string{
			corev1.LabelHostname: n.name, corev1.LabelOSStable: runtime.GOOS, corev1.LabelArchStable: runtime.GOARCH,
		}
		if n.cluster.settings.gpus > 0 {
			labels["nvidia.com/gpu.present"] = "true"
			labels["nvidia.com/gpu.product"] = n.cluster.settings.gpuProduct
			labels["nvidia.com/gpu.count"] = fmt.Sprint(n.cluster.settings.gpus)
		}
		current, err = nodes.Create(ctx, &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: n.name, Labels: labels},
			Spec:       corev1.NodeSpec{ProviderID: "autochrome-test://" + n.name},
		}, metav1.CreateOptions{})
	}
	if err != nil {
		return err
	}
	next := current.DeepCopy()
	status := &next.Status
	status.Capacity, status.Allocatable = n.capacity(), n.capacity()
	status.Addresses = []corev1.NodeAddress{
		{Type: corev1.NodeInternalIP, Address: nodeAddress}, {Type: corev1.NodeHostName, Address: n.name},
	}
	status.DaemonEndpoints.KubeletEndpoint.Port = int32(n.port)
	status.NodeInfo = corev1.NodeSystemInfo{
		MachineID: n.name, SystemUUID: n.name, BootID: n.name, OperatingSystem: runtime.GOOS, Architecture: runtime.GOARCH,
		KernelVersion: "local", OSImage: "local processes", ContainerRuntimeVersion: "process://1", KubeletVersion: kubernetesVersion,
	}
	status.Conditions = nil
	for kind, reason := range map[corev1.NodeConditionType]string{
		corev1.NodeMemoryPressure: "KubeletHasSufficientMemory",
		corev1.NodeDiskPressure:   "KubeletHasNoDiskPressure",
		corev1.NodePIDPressure:    "KubeletHasSufficientPID",
		corev1.NodeReady:          "KubeletReady",
	} {
		now := metav1.Now()
		condition := corev1.NodeCondition{
			Type: kind, Status: truth(kind == corev1.NodeReady), Reason: reason,
			LastHeartbeatTime: now, LastTransitionTime: now,
		}
		for _, old := range current.Status.Conditions {
			if old.Type == kind && old.Status == condition.Status {
				condition.LastTransitionTime = old.LastTransitionTime
			}
		}
		status.Conditions = append(status.Conditions, condition)
	}
	_, err = nodes.UpdateStatus(ctx, next, metav1.UpdateOptions{})
	return err
}

// watchPods follows the pods bound to this node until the context ends.
func (n *node) watchPods(ctx context.Context) {
	source := cache.NewListWatchFromClient(n.client.CoreV1().RESTClient(), "pods", metav1.NamespaceAll,
		fields.OneTermEqualSelector("spec.nodeName", n.name))
	seen := func(object any) {
		if pod, ok := object.(*corev1.Pod); ok {
			n.see(pod)
		}
	}
	store, controller := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: source,
		ObjectType:    &corev1.Pod{},
		ResyncPeriod:  10 * time.Second,
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    seen,
			UpdateFunc: func(_, object any) { seen(object) },
			DeleteFunc: func(object any) {
				if last, ok := object.(cache.DeletedFinalStateUnknown); ok {
					object = last.Obj
				}
				if pod, ok := object.(*corev1.Pod); ok {
					n.lost(pod.UID)
				}
			},
		},
	})
	go func() {
		// What was deleted while the node was cut off is found out by its absence.
		if !cache.WaitForCacheSync(ctx.Done(), controller.HasSynced) {
			return
		}
		there := map[types.UID]bool{}
		for _, object := range store.List() {
			if pod, ok := object.(*corev1.Pod); ok {
				there[pod.UID] = true
			}
		}
		for _, p := range n.all() {
			if !there[p.pod.UID] {
				n.lost(p.pod.UID)
			}
		}
	}()
	controller.RunWithContext(ctx)
}

// see takes in a pod's newest state.
func (n *node) see(pod *corev1.Pod) {
	n.mu.Lock()
	p := n.pods[pod.UID]
	over := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	fresh := p == nil && (!over || pod.DeletionTimestamp != nil)
	if fresh {
		p = newPodRun(n, pod)
		n.pods[pod.UID] = p
	}
	n.mu.Unlock()
	if p == nil {
		return
	}
	if fresh {
		switch {
		case over:
			p.keepStatusOf(pod)
		case pod.Status.StartTime != nil && pod.Spec.RestartPolicy == corev1.RestartPolicyNever && hasRun(pod):
			p.lose()
		default:
			os.RemoveAll(p.dir)
			go p.live()
		}
	}
	if pod.DeletionTimestamp != nil {
		grace := p.grace()
		if pod.DeletionGracePeriodSeconds != nil {
			grace = time.Duration(*pod.DeletionGracePeriodSeconds) * time.Second
		}
		p.remove(grace)
	}
}

// lost ends what is left of a pod that the API no longer knows.
func (n *node) lost(uid types.UID) {
	n.mu.Lock()
	p := n.pods[uid]
	n.mu.Unlock()
	if p != nil {
		p.vanish()
	}
}

func hasRun(pod *corev1.Pod) bool {
	for _, each := range append(append([]corev1.ContainerStatus{}, pod.Status.InitContainerStatuses...), pod.Status.ContainerStatuses...) {
		if each.State.Waiting == nil {
			return true
		}
	}
	return false
}

// watchMemory ends containers that use more than their limit, as the kernel does.
func (n *node) watchMemory(ctx context.Context) {
	n.repeat(ctx, 200*time.Millisecond, func(context.Context) error {
		limited := false
		for _, p := range n.all() {
			limited = limited || p.hasMemoryLimit()
		}
		if !limited {
			return nil
		}
		used := memoryOfGroups()
		for _, p := range n.all() {
			p.enforceMemory(used)
		}
		return nil
	})
}

// waitForNodes returns when all nodes can take pods and the namespace "default" can hold them.
func (c *cluster) waitForNodes(ctx context.Context) error {
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		list, err := c.admin.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			continue
		}
		ready := 0
		for _, each := range list.Items {
			if len(each.Spec.Taints) == 0 && !each.Status.Allocatable.Pods().IsZero() {
				ready++
			}
		}
		_, err = c.admin.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		if ready >= len(c.nodes) && err == nil {
			return nil
		}
	}
	return fmt.Errorf("the nodes were not ready within two minutes")
}
