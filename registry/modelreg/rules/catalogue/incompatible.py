"""The rules MR4xx: whether the model will load."""

from modelreg.rules.catalogue.definition import info, refuse, warn

RULES = (
    refuse(
        "MR401",
        "Bytecode of another Python",
        "marshal is not compatible between Python versions. Another layout group fails with 'bad marshal data' "
        "(also EOFError or SystemError); within a group the interpreter dies or computes other numbers, silently.",
        "layer 'scale' (Lambda) holds bytecode of Python 3.8 or 3.9; the target is Python 3.11.",
        "load it with the Python that wrote it, or replace the Lambda by a registered layer and save again",
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
    warn(
        "MR404",
        "Written by Keras 2, target has Keras 3",
        "Keras 3 reads much of what Keras 2 wrote, but not all: removed arguments, moved modules, other weight names.",
        "Written by Keras 2.13.1; the target has Keras 3.15.1.",
        "pip install tf-keras there and set TF_USE_LEGACY_KERAS=1, or save the model again with Keras 3",
    ),
    refuse(
        "MR405",
        "A SavedModel, target has Keras 3",
        "load_model of Keras 3 does not read SavedModel folders ('File format not supported').",
        "A SavedModel by TensorFlow 2.13.1; the target has Keras 3.15.1.",
        "keras.layers.TFSMLayer(PATH, call_endpoint='serving_default') runs it; --allow MR405 says you will do that",
    ),
    refuse(
        "MR406",
        "HDF5 under the name .keras",
        "TensorFlow before 2.12 wrote HDF5 under any name. Keras 3 opens .keras as a zip only and says 'File not "
        "found'.",
        "model.keras is HDF5; the target has Keras 3.15.1.",
        "rename it to .h5 and push it again",
    ),
    warn(
        "MR407",
        "Python of the target is not known",
        "The model has bytecode, and whether it runs depends on the Python version.",
        "requirements.txt does not say which Python it is for.",
        "write FILE@3.11, or a line '# python==3.11.7' in the file",
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
)
