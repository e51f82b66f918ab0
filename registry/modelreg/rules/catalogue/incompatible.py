"""The rules MR4xx: whether the model will load."""

from modelreg.rules.catalogue.definition import info, refuse, warn

RULES = (
    refuse(
        "MR401",
        "Bytecode of another Python",
        "marshal is not compatible between Python versions. Another layout group fails with 'bad marshal data' "
        "(also EOFError or SystemError); within a group the interpreter dies or computes other numbers, silently.",
        "layer 'scale' (Lambda) holds bytecode of Python 3.8 or 3.9; the target is Python 3.11.",
        "load it with the Python that wrote it, or: modelreg repair FILE -o OUT turns the Lambda into a named function",
    ),
    warn(
        "MR402",
        "Bytecode that may be of another Python",
        "The bytes do not tell between Python versions of one layout group, and the target is only one of them.",
        "layer 'scale' (Lambda) was written by Python 3.11 or 3.12; the target is Python 3.11.",
        "ask which Python saved it; --allow MR402 if it was the target's",
    ),
    refuse(
        "MR403",
        "Written by Keras 3, target has Keras 2",
        "Keras 2 does not read Keras 3's configuration ('Unrecognized keyword arguments: batch_shape').",
        "Written by Keras 3.15.1; the target has Keras 2.15.0.",
        "install Keras 3 there, or load the weights into a model that is built there",
    ),
    info(
        "MR404",
        "Written by Keras 2, target has Keras 3",
        "Keras 3 reads much of what Keras 2 wrote. What it does not is told by other rules: removed arguments, moved "
        "modules, other weight names, functions that are defined otherwise.",
        "Written by Keras 2.13.1; the target has Keras 3.15.1.",
        "nothing to do; golden predictions (modelreg replay REF) show whether the numbers are the same",
    ),
    refuse(
        "MR405",
        "A SavedModel that load_model does not read there",
        "load_model of Keras 3 does not read SavedModel folders ('File format not supported'), old Kerases read HDF5 "
        "only, and tf.keras makes no Keras model of a folder that something else saved.",
        "A SavedModel by TensorFlow 2.13.1; the target has Keras 3.15.1.",
        "keras.layers.TFSMLayer(PATH, call_endpoint='serving_default') runs it; --allow MR405 says you will do that",
    ),
    refuse(
        "MR406",
        "HDF5 under the name .keras",
        "TensorFlow before 2.12 wrote HDF5 under any name. Keras 3 opens .keras as a zip only and says 'File not "
        "found'.",
        "model.keras is HDF5; the target has Keras 3.15.1.",
        "rename it to .h5, and push it again under that name",
    ),
    warn(
        "MR407",
        "Python of the target is not known",
        "The model has bytecode, and whether it runs depends on the Python version.",
        "requirements.txt does not say which Python it is for.",
        "write FILE@3.11, or a line '# python==3.11.7' in the file",
    ),
    refuse(
        "MR408",
        "A .keras archive that the target does not open",
        "The zip archive came with Keras 2.12; Kerases before it take the file for damaged HDF5 or for a folder that "
        "is not there. Later ones open it only under the suffix .keras.",
        "model.keras is a zip archive; the Keras of TensorFlow 2.8.4 reads HDF5 and SavedModel only.",
        "install Keras 2.12 or later there, or save the model as .h5",
    ),
    warn(
        "MR410",
        "Holds weights only",
        "There is no architecture in the file, so load_model fails ('No model config found').",
        "plain_weights_only.h5 holds the weights of 2 layers and no configuration.",
        "build the model, then model.load_weights(PATH)",
    ),
    warn(
        "MR411",
        "Not a model that can be judged",
        "modelreg keeps and verifies the bytes, but knows nothing of their content.",
        "weights.bin is of no known format.",
        "if this should be a model, look at what was pushed; --allow MR411 otherwise",
    ),
    info(
        "MR412",
        "Not for Keras's load_model",
        "TFLite and ONNX models are run by their own runtimes.",
        "model.tflite is a TFLite model.",
        "tf.lite.Interpreter(model_path=...) or onnxruntime.InferenceSession(...)",
    ),
    refuse(
        "MR413",
        "A class that the target's Keras does not have",
        "The configuration names a class or function that belongs to Keras, but not to that release: it left, was "
        "renamed, or came later. Loading fails with 'Unknown layer' or 'Could not locate class'.",
        "layer 'act' (ThresholdedReLU) is not in Keras 3.15.1: in Keras 2.2.0 to 2.15.0.",
        "modelreg repair FILE -o OUT --target TARGET, or load it with a Keras that has the class",
    ),
    refuse(
        "MR414",
        "An argument that the target's Keras does not accept",
        "The layer's configuration has an argument that its class does not take in that release. Loading fails with "
        "'Unrecognized keyword arguments', even where the value is the default.",
        "layer 'lstm' (LSTM) has the argument 'time_major' (False), which Keras 3.15.1 does not accept (removed in "
        "Keras 3.0.0).",
        "modelreg repair FILE -o OUT --target TARGET drops arguments that do nothing",
    ),
    refuse(
        "MR415",
        "A module that the target's Keras does not have",
        "The .keras format names the module of every class. Keras moved its modules between releases, and a file that "
        "names an old one fails with 'its parent module ... cannot be imported'.",
        "layer 'model' (Functional) comes from the module 'keras.src.engine.functional', which Keras 3.15.1 does not "
        "have.",
        "modelreg repair FILE -o OUT --target TARGET renames modules",
    ),
    refuse(
        "MR416",
        "A layer inside a wrapper, in the old dialect",
        "Keras 3 translates the layers of an old HDF5 model, but not those inside TimeDistributed, Bidirectional, RNN "
        "and other wrappers.",
        "layer 'sq' (Lambda) is written without its module.",
        "modelreg repair FILE -o OUT --target TARGET, or load it with tf-keras",
    ),
    refuse(
        "MR417",
        "A Lambda uses names that the loader does not give it",
        "A Lambda's code is stored without the modules and helper functions that it uses. Keras 3 never provides any; "
        "Keras 2 provides those of the module that the Lambda was defined in, if it is imported there.",
        "layer 'norm' uses 'tf', which Keras 3.15.1 never gives to a Lambda's code.",
        "modelreg repair FILE -o OUT turns the Lambda into a registered function of a module that imports them",
    ),
    refuse(
        "MR418",
        "A Lambda whose values were lost or cannot be given back",
        "Default values, keyword-only defaults and captured objects are stored incompletely, or in a form that the "
        "loader passes on wrongly.",
        "layer 'shift' has default values (3.0), which Keras 3.15.1 passes to Python as a list.",
        "modelreg repair FILE -o OUT turns the Lambda into a registered function with its values written out",
    ),
    refuse(
        "MR419",
        "A model put together otherwise",
        "The way in which inputs, outputs or connections are written changed between releases, and the target's Keras "
        "reads them as something else.",
        "the model has no input layer, and Keras 3.15.1 takes the batch_input_shape of its first layer for the shape "
        "of one sample.",
        "modelreg repair FILE -o OUT --target TARGET, or load it with the Keras that wrote it",
    ),
    warn(
        "MR420",
        "Custom objects that the loader must provide",
        "The model uses classes or functions that Keras does not have. Loading fails unless they are passed or "
        "registered.",
        "layer class 'Twice' (my_package.layers)",
        "load with custom_objects={'Twice': Twice}, or import the module that registers it",
        escalates=False,
    ),
    info(
        "MR421",
        "Custom objects needed for training only",
        "A loss, metric or optimizer of one's own is only needed to go on training.",
        "loss 'custom_loss'",
        "load with compile=False, or pass custom_objects",
    ),
    refuse(
        "MR422",
        "Weights that do not find their layers",
        "The archive's groups of weights are named after the model's structure, and the naming changed between "
        "releases; in HDF5 each layer must have as many weights as its class. Loading fails with 'expected 2 "
        "variables, but received 0', 'objects could not be loaded' or 'Layer count mismatch'.",
        "Keras 2.13.1 keeps the weights under '_layer_checkpoint_dependencies', and Keras 2.15.0 looks for them under "
        "'layers'.",
        "load it with the Keras that wrote it and save it as .h5",
    ),
    refuse(
        "MR423",
        "Loads, and predicts other numbers",
        "A function that the model uses is defined otherwise in the target's Keras. Nothing fails; the predictions are "
        "wrong.",
        "layer 'lstm' uses 'hard_sigmoid', which Keras 3.15.1 defines as relu6(x + 3) / 6.",
        "load it with the Keras line that wrote it; check with golden predictions: modelreg replay REF",
    ),
    warn(
        "MR424",
        "Training cannot be resumed there",
        "A loss, metric or optimizer of the file is not restored by the target's Keras, so that load_model fails "
        "unless it is told not to compile.",
        "the loss is the bare name 'mse', which Keras 3.15.1 does not restore from HDF5.",
        "load_model(PATH, compile=False), then compile again",
        escalates=False,
    ),
    refuse(
        "MR425",
        "A dtype policy that the target's Keras does not know",
        "Mixed precision is written as an object in the layer's dtype, of another class in Keras 2 and 3.",
        "layer 'dense' has the dtype policy 'Policy', which Keras 3.15.1 does not know.",
        "modelreg repair FILE -o OUT --target TARGET, or load it with tf-keras",
    ),
    refuse(
        "MR426",
        "h5py too new for that Keras",
        "Keras before 2.4 decodes attributes that h5py 3 has decoded already: ''str' object has no attribute "
        "'decode''.",
        "h5py 3.1.0 with Keras 2.3.1.",
        "pip install 'h5py<3' there",
    ),
    refuse(
        "MR427",
        "A graph that the target's TensorFlow cannot run",
        "A SavedModel holds operations by name, and Keras's own texts in a place that changed. One that the target's "
        "TensorFlow does not have, or a graph that demands a newer runtime, fails with 'Op type not registered'.",
        "The graph uses DisableCopyOnRead, which TensorFlow 2.8.4 does not have.",
        "install the TensorFlow that wrote it, or the package that registers the operation",
    ),
    refuse(
        "MR428",
        "Loads nowhere, not even where it was written",
        "The writer saved something that its own loader does not read back. It can be mended now, while the model is "
        "still at hand.",
        "layer 'not_equal' (NotEqual) is an operation that Keras 3's HDF5 writer saves and no Keras loads.",
        "save it as .keras",
    ),
    warn(
        "MR429",
        "Written with another backend",
        "Kernels and layouts differ between backends (Theano flips convolutions; PyTorch and JAX round otherwise).",
        "Written with theano; the target uses tensorflow.",
        "check with golden predictions, or convert the weights once and save again",
    ),
    warn(
        "MR430",
        "The target has no Keras",
        "Neither keras nor a TensorFlow that carries it is in the target's description, so that only its Python could "
        "be judged.",
        "environment.json lists neither keras nor tensorflow.",
        "describe the environment where the model will be loaded: modelreg env capture --python EXE",
    ),
    info(
        "MR431",
        "The target differs from where it was pushed",
        "Versions differ in a way that is not known to break anything.",
        "numpy: 1.26.4 at push, 2.4.6 in the target",
        "nothing to do",
    ),
    info(
        "MR432",
        "Half precision",
        "The model computes in float16 or bfloat16, where the order of operations shows: releases of TensorFlow and "
        "processors differ from the third or fourth digit on.",
        "layer 'dense' computes in mixed_float16.",
        "compare with a tolerance that suits it; golden predictions record one",
    ),
    warn(
        "MR433",
        "Weights that are not finite",
        "A weight is NaN or infinite: training diverged, or the file is damaged. Predictions will be NaN.",
        "'model_weights/dense/dense/kernel:0' has 12 values that are not finite.",
        "train again from an earlier checkpoint",
    ),
    warn(
        "MR434",
        "Bytecode saved on Windows",
        "Keras replaces each backslash byte by a slash as it stores a function's code, in order to make paths the "
        "same. In code that byte can be a constant or an instruction.",
        "layer 'shift' was saved on Windows ('C:/models/train.py').",
        "read the function that modelreg inspect shows; save models on Linux or macOS",
        escalates=False,
    ),
    warn(
        "MR435",
        "Lambdas that share a loop's last value",
        "Several Lambdas have the same code and take the same counter from around it. A function made in a loop sees "
        "the counter's last value, not the one of its own round; what was computed while the model was built may have "
        "been different.",
        "layers 'part_0', 'part_1' and 1 more take 'i' from around them, which is 2 in all of them.",
        "pass it as an argument: Lambda(lambda x, i: x[:, i], arguments={'i': i})",
        escalates=False,
    ),
    refuse(
        "MR440",
        "Predictions differ from those at push",
        "The golden predictions that were stored at push were computed again, and are not the same within the "
        "tolerance; or a repaired file predicts other numbers than the file.",
        "output 'dense_1' differs by 0.031 at most; the tolerance is 0.00001.",
        "load it with the environment that it was pushed from: modelreg show REF",
    ),
    warn(
        "MR441",
        "Golden predictions could not be replayed",
        "The model did not load or run in the interpreter that was asked, so nothing can be said of its numbers; of a "
        "repair that was to be proved, nothing could be compared.",
        "python3.9 raised ImportError: no module named tensorflow.",
        "modelreg replay REF --python EXE with an interpreter that has Keras",
    ),
)
