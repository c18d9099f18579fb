"""Programs with one mistake each, and their twins that are right, for each check in both dialects.

A sample is written once: what stands between ``<<`` and ``||`` is wrong, up to ``>>`` it is right.
"""

# ruff: noqa: E501  lines as they are pasted

from __future__ import annotations

import re

SAMPLES = {
    "L01 linear after pool": """
import torch
from torch import nn
model = nn.Sequential(nn.Conv2d(1, 8, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(<<8 * 24 * 24||8 * 12 * 12>>, 10))
print(model(torch.zeros(4, 1, 28, 28)).shape)
""",
    "L01 channels": """
import torch
import torch.nn as nn
x = torch.randn(4, 3, 32, 32)
print(nn.Conv2d(<<1||3>>, 16, kernel_size=3, padding=1)(x).shape)
""",
    "L01 view": """
import torch
import torch.nn.functional as F
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 20, 5)
        self.fc = nn.Linear(20 * 12 * 12, 10)
    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv(x)), 2)
        x = x.view(-1, <<20 * 4 * 4||20 * 12 * 12>>)
        return self.fc(x)
net = Net()
print(net(torch.zeros(6, 1, 28, 28)))
""",
    "L01 keras reshape": """
import tensorflow as tf
model = tf.keras.Sequential([
    tf.keras.layers.Dense(49, input_shape=(10,)),
    tf.keras.layers.Reshape((7, <<8||7>>)),
])
""",
    "L01 matmul": """
import tensorflow.compat.v1 as tf
x = tf.placeholder(tf.float32, [None, 784])
w = tf.Variable(tf.zeros([<<782||784>>, 10]))
y = tf.matmul(x, w)
""",
    "L02 forward": """
import torch
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3)
    def forward(self, x):
        return <<torch.softmax(self.fc(x), dim=1)||self.fc(x)>>
net = Net()
loss = nn.CrossEntropyLoss()(net(torch.randn(8, 4)), torch.randint(0, 3, (8,)))
loss.backward()
""",
    "L02 layer": """
import torch
from torch import nn
model = nn.Sequential(nn.Linear(4, 3)<<, nn.Softmax(dim=1)||>>)
loss = nn.functional.cross_entropy(model(torch.randn(8, 4)), torch.randint(0, 3, (8,)))
""",
    "L02 negative logarithm": """
import torch
import torch.nn.functional as F
from torch import nn
layer = nn.Linear(4, 3)
loss = F.nll_loss(F.<<softmax||log_softmax>>(layer(torch.randn(8, 4)), dim=1), torch.randint(0, 3, (8,)))
""",
    "L02 keras, softmax and from_logits": """
from tensorflow import keras
model = keras.Sequential([keras.layers.Dense(3<<, activation="softmax"||>>)])
model.compile("adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
""",
    "L02 keras, logits by name": """
import tensorflow as tf
model = tf.keras.Sequential([tf.keras.layers.Dense(3<<||, activation="softmax">>)])
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
""",
    "L02 session": """
import tensorflow.compat.v1 as tf
x = tf.placeholder(tf.float32, [None, 4])
labels = tf.placeholder(tf.float32, [None, 3])
y = tf.layers.dense(x, 3<<, activation=tf.nn.softmax||>>)
loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=y))
""",
    "L03 session": """
import tensorflow.compat.v1 as tf
x = tf.placeholder(tf.float32, [None, 4])
answers = tf.placeholder(tf.float32, [None, 3])
y = tf.layers.dense(x, 3)
loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=<<y||answers>>, logits=y))
""",
    "L03 PyTorch": """
import torch
from torch import nn
model, criterion = nn.Linear(4, 1), nn.MSELoss()
inputs, targets = torch.randn(8, 4), torch.randn(8, 1)
outputs = model(inputs)
loss = criterion(outputs, <<outputs||targets>>)
""",
    "L04": """
import tensorflow.compat.v1 as tf
x = tf.placeholder(tf.float32, [None, 4])
labels = tf.placeholder(tf.float32, [None, 3])
y = tf.layers.dense(x, 3)
loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=y))
step = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    sess.run(step, feed_dict={x: rows, <<y||labels>>: answers})
""",
    "L05 session": """
import tensorflow.compat.v1 as tf
w = tf.Variable(1.0)
loss = tf.square(w - 3.0)
step = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
sess = tf.Session()
<<||sess.run(tf.global_variables_initializer())
>>for _ in range(10):
    sess.run(step)
""",
    "L05 empty": """
import torch
from torch import nn
class Scale(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.w = nn.Parameter(torch.<<empty||randn>>(n))
    def forward(self, x):
        return x * self.w
print(Scale(3)(torch.ones(3)))
""",
    "L06 PyTorch": """
import torch
from torch import nn
torch.manual_seed(0)
model = nn.Linear(10, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for step in range(100):
    x = torch.randn(16, 10)
    y = <<torch.randn(16, 1)||x.sum(dim=1, keepdim=True)>>
    loss = nn.functional.mse_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(loss.item())
""",
    "L06 tape": """
import tensorflow as tf
tf.random.set_seed(0)
model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
optimizer = tf.keras.optimizers.SGD(0.01)
for step in range(100):
    x = tf.random.normal((16, 10))
    y = <<tf.random.normal((16, 1))||tf.reduce_sum(x, axis=1, keepdims=True)>>
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.keras.losses.mse(y, model(x)))
    optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables))
""",
    "L07 PyTorch": """
import torch
x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
y = x**2
y<<||.sum()>>.backward()
print(x.grad)
""",
    "L07 reduction": """
import torch
from torch import nn
model = nn.Linear(4, 1)
loss = nn.MSELoss(<<reduction="none"||>>)(model(torch.randn(8, 4)), torch.randn(8, 1))
loss.backward()
""",
    "L07 tape": """
import tensorflow as tf
model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
optimizer = tf.keras.optimizers.SGD(0.1)
x, y = tf.ones((8, 2)), tf.ones((8, 1))
with tf.GradientTape() as tape:
    loss = <<tf.keras.losses.mse(y, model(x))||tf.reduce_mean(tf.keras.losses.mse(y, model(x)))>>
grads = tape.gradient(loss, model.trainable_variables)
optimizer.apply_gradients(zip(grads, model.trainable_variables))
""",
    "L08 missing": """
import torch
from torch import nn
torch.manual_seed(0)
model = nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.ones(8, 1), torch.ones(8, 1)
for _ in range(10):
<<||    optimizer.zero_grad()
>>    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    print(loss.item())
""",
    "L08 between": """
import torch
from torch import nn
model = nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.ones(8, 1), torch.ones(8, 1)
for _ in range(10):
<<||    optimizer.zero_grad()
>>    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
<<    optimizer.zero_grad()
||>>    optimizer.step()
""",
    "L08 once a round": """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
model = nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = DataLoader(TensorDataset(torch.ones(64, 1), torch.ones(64, 1)), batch_size=8)
for epoch in range(3):
<<    optimizer.zero_grad()
||>>    for x, y in loader:
<<||        optimizer.zero_grad()
>>        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
""",
    "L09 twice": """
import torch
x = torch.tensor(2.0, requires_grad=True)
y = x**2
y.backward(<<||retain_graph=True>>)
y.backward()
""",
    "L09 loop": """
import torch
w = torch.tensor(1.0, requires_grad=True)
<<loss = (w - 3.0) ** 2
||>>for _ in range(5):
<<||    loss = (w - 3.0) ** 2
>>    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
    w.grad.zero_()
""",
    "L09 tape": """
import tensorflow as tf
x = tf.Variable(3.0)
with tf.GradientTape(<<||persistent=True>>) as tape:
    y = x * x
    z = y * x
a = tape.gradient(y, x)
b = tape.gradient(z, x)
""",
    "L10 after the tape": """
import tensorflow as tf
x = tf.Variable(3.0)
with tf.GradientTape() as tape:
    y = x * x
<<z = y + 1.0
||    z = y + 1.0
>>print(tape.gradient(z, x))
""",
    "L10 before the tape": """
import tensorflow as tf
x = tf.Variable(3.0)
<<y = x * x
||>>with tf.GradientTape() as tape:
<<||    y = x * x
>>    z = y + 1.0
print(tape.gradient(z, x))
""",
    "L10 not watched": """
import tensorflow as tf
x = tf.constant(3.0)
with tf.GradientTape() as tape:
<<||    tape.watch(x)
>>    y = x * x
print(tape.gradient(y, x))
""",
    "L10 no_grad": """
import torch
from torch import nn
model = nn.Linear(4, 1)
x, y = torch.randn(8, 4), torch.randn(8, 1)
<<with torch.no_grad():
    loss = nn.functional.mse_loss(model(x), y)
||loss = nn.functional.mse_loss(model(x), y)
>>loss.backward()
""",
    "L11 layer": """
import numpy as np
import torch
from torch import nn
X = np.random.rand(10, 4)
model = nn.Linear(4, 2)
print(model(<<X||torch.as_tensor(X, dtype=torch.float32)>>))
""",
    "L11 loss": """
import numpy as np
import torch
from torch import nn
labels = np.array([0, 1, 1])
logits = nn.Linear(4, 2)(torch.zeros(3, 4))
loss = nn.CrossEntropyLoss()(logits, <<labels||torch.as_tensor(labels, dtype=torch.int64)>>)
""",
    "L12 tensor": """
import torch
x = torch.tensor(<<[1, 2, 3]||[1.0, 2.0, 3.0]>>, requires_grad=True)
""",
    "L12 tape": """
import tensorflow as tf
x = tf.Variable(<<3||3.0>>)
with tf.GradientTape() as tape:
    y = x * x
print(tape.gradient(y, x))
""",
    "L13 loss": """
import torch
from torch import nn
x, y = torch.randn(50, 3), torch.randn(50)
model = nn.Linear(3, 1)
loss = nn.MSELoss()(model(x), <<y||y[:, None]>>)
""",
    "L13 by hand": """
import torch
from torch import nn
x, y = torch.randn(50, 3), torch.randn(50)
model = nn.Linear(3, 1)
loss = ((model(x)<<||.squeeze(1)>> - y) ** 2).mean()
""",
    "L13 tape": """
import tensorflow as tf
x, y = tf.random.normal((50, 3)), tf.random.normal((50,))
model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
with tf.GradientTape() as tape:
    loss = tf.reduce_mean(tf.square(model(x) - <<y||y[:, tf.newaxis]>>))
""",
    "L14 chosen by": """
import tensorflow as tf
tf.random.set_seed(1)
(a, b), (c, d) = tf.keras.datasets.mnist.load_data()
model = tf.keras.Sequential([tf.keras.layers.Flatten(), tf.keras.layers.Dense(10, activation="softmax")])
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(a, b, epochs=3, <<validation_data=(c, d)||validation_split=0.1>>)
print(model.evaluate(c, d))
""",
    "L14 not used": """
import tensorflow as tf
tf.random.set_seed(1)
(train_images, train_labels), (test_images, test_labels) = tf.keras.datasets.mnist.load_data()
model = tf.keras.Sequential([tf.keras.layers.Flatten(), tf.keras.layers.Dense(10, activation="softmax")])
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(train_images, train_labels, epochs=3)
<<||model.evaluate(test_images, test_labels)
>>""",
    "L14 PyTorch": """
import torch
from torch import nn
from torchvision import datasets, transforms
torch.manual_seed(0)
train = datasets.MNIST("data", train=True, transform=transforms.ToTensor())
test = datasets.MNIST("data", train=False, transform=transforms.ToTensor())
model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for x, y in torch.utils.data.DataLoader(train, batch_size=64):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
<<||print(sum((model(x[None]).argmax() == y).item() for x, y in test))
>>""",
    "L15": """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0)
loader = DataLoader(TensorDataset(torch.ones(1000, 1), torch.ones(1000, 1)), batch_size=<<32||10>>)
model = nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
running = 0.0
for i, (x, y) in enumerate(loader):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    running += loss.item()
    if (i + 1) % 10 == 0:
        print(running / 10)
        running = 0.0
""",
    "L16 PyTorch": """
import torch
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.ones(8, 4), torch.ones(8, 1)
for _ in range(10):
    optimizer.zero_grad()
    nn.functional.mse_loss(model(x), y).backward()
    optimizer.step()
<<||model.eval()
>>with torch.no_grad():
    print(nn.functional.mse_loss(model(x), y).item())
""",
    "L16 batch norm in a class": """
import torch
from torch import nn
torch.manual_seed(0)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.fc = nn.Linear(4, 1)
    def forward(self, x):
        return self.fc(self.norm(x))
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
x, y = torch.ones(8, 4), torch.ones(8, 1)
for _ in range(10):
    net.train()
    optimizer.zero_grad()
    nn.functional.mse_loss(net(x), y).backward()
    optimizer.step()
<<||    net.eval()
>>    with torch.no_grad():
        print(net(x).mean().item())
""",
    "L16 Keras": """
import tensorflow as tf
(a, b), (c, d) = tf.keras.datasets.mnist.load_data()
model = tf.keras.Sequential([tf.keras.layers.Flatten(), tf.keras.layers.Dropout(0.5), tf.keras.layers.Dense(10)])
print(model(c / 255.0, training=<<True||False>>))
""",
    "L17": """
import tensorflow as tf
import torch
from torch import nn
ours = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
theirs = tf.keras.Sequential([
    tf.keras.layers.Dense(<<64||128>>, activation="relu", input_shape=(784,)),
    tf.keras.layers.Dense(10),
])
torch.manual_seed(0)
optimizer = torch.optim.SGD(ours.parameters(), lr=0.1)
for _ in range(10):
    optimizer.zero_grad()
    nn.functional.mse_loss(ours(torch.zeros(8, 784)), torch.zeros(8, 10)).backward()
    optimizer.step()
theirs.compile("sgd", "mse")
theirs.fit(tf.zeros((8, 784)), tf.zeros((8, 10)), epochs=10)
""",
    "L18 transforms": """
import torch
from torchvision import datasets, transforms
train = datasets.MNIST("data", train=True, transform=transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))]))
test = datasets.MNIST("data", train=False, transform=<<transforms.ToTensor()||transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])>>)
print(train, test)
""",
    "L18 Keras": """
import tensorflow as tf
tf.random.set_seed(0)
(a, b), (c, d) = tf.keras.datasets.mnist.load_data()
a = a / 255.0
model = tf.keras.Sequential([tf.keras.layers.Flatten(), tf.keras.layers.Dense(10, activation="softmax")])
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(a, b)
model.evaluate(c<<|| / 255.0>>, d)
""",
    "L19 PyTorch": """
import torch
from torch import nn
<<||torch.manual_seed(0)
>>model = nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.ones(8, 1), torch.ones(8, 1)
for _ in range(10):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    print(loss.item())
""",
    "L19 Keras": """
import tensorflow as tf
<<||tf.random.set_seed(0)
>>model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(tf.ones((8, 1)), tf.ones((8, 1)))
""",
    "L20": """
import tensorflow as tf
x = tf.Variable(3.0)
<<y = x * x
||>>with tf.GradientTape() as tape:
    y = x * x
print(tape.gradient(y, x))
""",
    "L21 session": """
import <<tensorflow||tensorflow.compat.v1>> as tf
x = tf.placeholder(tf.float32, [None, 2])
with tf.Session() as sess:
    print(sess.run(x + 1.0, {x: [[1.0, 2.0]]}))
""",
    "L21 TensorFlow": """
import tensorflow as tf
x = tf.constant(2.0)
print(tf.<<log||math.log>>(x))
""",
    "L21 PyTorch": """
import torch
from torch import nn
from torch.autograd import Variable
x = <<Variable(torch.ones(3))||torch.ones(3)>>
nn.init.<<xavier_uniform||xavier_uniform_>>(nn.Linear(3, 1).weight)
""",
    "L22 glued": """<<import torchx = torch.ones(3)print(x)||import torch
x = torch.ones(3)
print(x)>>
""",
    "L22 not indented": """
def double(x):
<<return||    return>> 2 * x
print(double(2))
""",
    "L22 a bracket": """
print(sum([1, 2, 3]<<||)>>)
x = 1
""",
    "L23 Keras, class numbers": """
import tensorflow as tf
tf.random.set_seed(0)
(a, b), _ = tf.keras.datasets.mnist.load_data()
model = tf.keras.Sequential([tf.keras.layers.Flatten(), tf.keras.layers.Dense(10, activation="softmax")])
model.compile("adam", loss="<<||sparse_>>categorical_crossentropy")
model.fit(a / 255.0, b)
""",
    "L23 Keras, one-hot rows": """
import tensorflow as tf
tf.random.set_seed(0)
(a, b), _ = tf.keras.datasets.mnist.load_data()
b = tf.keras.utils.to_categorical(b, 10)
model = tf.keras.Sequential([tf.keras.layers.Flatten(), tf.keras.layers.Dense(10, activation="softmax")])
model.compile("adam", loss="<<sparse_||>>categorical_crossentropy")
model.fit(a / 255.0, b)
""",
    "L23 PyTorch": """
import torch
import torch.nn.functional as F
from torch import nn
y = <<F.one_hot(torch.tensor([0, 2, 1]), 3)||torch.tensor([0, 2, 1])>>
loss = F.cross_entropy(nn.Linear(4, 3)(torch.zeros(3, 4)), y)
""",
    "L23 binary": """
import torch
from torch import nn
y = torch.tensor([[0], [1], [1]])
loss = nn.BCEWithLogitsLoss()(nn.Linear(4, 1)(torch.zeros(3, 4)), y<<||.float()>>)
""",
    "L24 model moved alone": """
import torch
from torch import nn
device = "cuda"
model = nn.Linear(4, 2).to(device)
x = torch.ones(3, 4)
print(model(x<<||.to(device)>>))
""",
    "L24 a tensor does not move itself": """
import torch
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
x = torch.ones(3)
<<||x = >>x.to(device)
print(x)
""",
    "L25 tape": """
import tensorflow as tf
x = tf.Variable(3.0)
# <<Define the static computation graph||Record the computation>>
with tf.GradientTape() as tape:
    y = x * x
print(tape.gradient(y, x))
""",
    "L25 session": """
import tensorflow.compat.v1 as tf
x = tf.placeholder(tf.float32, [])
# run the <<dynamic||static>> graph
sess = tf.Session()
print(sess.run(x * 2.0, {x: 1.0}))
""",
}


def wrong(name: str) -> str:
    """The program with its mistake."""
    return re.sub(r"<<(.*?)\|\|(.*?)>>", r"\1", SAMPLES[name], flags=re.DOTALL).lstrip("\n")


def right(name: str) -> str:
    """Its twin that is right."""
    return re.sub(r"<<(.*?)\|\|(.*?)>>", r"\2", SAMPLES[name], flags=re.DOTALL).lstrip("\n")
